-- migrate:up
ALTER TABLE customers ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE customers ADD COLUMN code text DEFAULT fresh_code();
ALTER TABLE orders ADD COLUMN number bigserial;

-- migrate:down
ALTER TABLE orders DROP COLUMN number;
ALTER TABLE customers DROP COLUMN code, DROP COLUMN token;
