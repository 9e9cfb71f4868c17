-- migrate:up
DELETE FROM orders WHERE placed_at < '2020-01-01';

-- migrate:down
COMMENT ON TABLE orders IS 'since 2020';
