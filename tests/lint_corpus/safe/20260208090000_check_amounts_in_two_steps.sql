-- migrate:up
ALTER TABLE orders ADD CONSTRAINT orders_amount_positive CHECK (amount >= 0) NOT VALID;

-- migrate:down
ALTER TABLE orders DROP CONSTRAINT orders_amount_positive;

-- migrate:up transaction:false
ALTER TABLE orders VALIDATE CONSTRAINT orders_amount_positive;

-- migrate:down irreversible:true
