-- migrate:up
ALTER TABLE orders ADD CHECK (amount >= 0);
ALTER TABLE customers ALTER COLUMN name SET DEFAULT 'unknown';

-- migrate:down
ALTER TABLE customers ALTER COLUMN name DROP DEFAULT;
ALTER TABLE orders DROP CONSTRAINT orders_amount_check;
