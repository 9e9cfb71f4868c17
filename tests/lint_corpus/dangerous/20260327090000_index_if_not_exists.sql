-- migrate:up transaction:false
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_reference_key ON orders (reference);
DROP INDEX CONCURRENTLY IF EXISTS orders_reference_key, orders_customer_idx;

-- migrate:down irreversible:true
