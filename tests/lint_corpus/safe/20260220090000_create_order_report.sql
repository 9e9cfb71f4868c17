-- migrate:up
CREATE VIEW paid_orders AS SELECT id, customer_id, amount FROM orders WHERE status = 'paid';
COMMENT ON VIEW paid_orders IS 'UPDATE orders SET amount = 1';
GRANT SELECT ON paid_orders TO PUBLIC;

-- migrate:down
DROP VIEW paid_orders;
