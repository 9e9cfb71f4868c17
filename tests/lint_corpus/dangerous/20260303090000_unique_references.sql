-- migrate:up
ALTER TABLE orders
    ADD CONSTRAINT orders_reference_key UNIQUE (reference);

-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_reference_key;
