-- migrate:up
DO $guard$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conname = 'orders_amount_small') THEN
        ALTER TABLE orders ADD CONSTRAINT orders_amount_small CHECK (amount < 1000000) NOT VALID;
    END IF;
END
$guard$;

-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_amount_small;
