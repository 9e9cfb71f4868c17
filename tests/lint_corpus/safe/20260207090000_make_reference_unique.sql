-- migrate:up transaction:false
CREATE UNIQUE INDEX CONCURRENTLY orders_reference_key ON orders (reference);
ALTER TABLE orders ADD CONSTRAINT orders_reference_key UNIQUE USING INDEX orders_reference_key;

-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_reference_key;
