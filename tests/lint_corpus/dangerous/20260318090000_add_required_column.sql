-- migrate:up
ALTER TABLE orders ADD COLUMN currency text NOT NULL;

-- migrate:down
ALTER TABLE orders DROP COLUMN currency;
