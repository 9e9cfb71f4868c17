-- migrate:up
COMMENT ON TABLE orders IS 'all orders';

-- migrate:down
