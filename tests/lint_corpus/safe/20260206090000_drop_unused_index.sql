-- migrate:up transaction:false
DROP INDEX CONCURRENTLY IF EXISTS orders_customer_idx;
CREATE INDEX CONCURRENTLY orders_customer_newest_idx ON orders (customer_id, placed_at DESC);

-- migrate:down transaction:false
CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer_id);
DROP INDEX CONCURRENTLY orders_customer_newest_idx;
