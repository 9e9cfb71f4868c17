-- migrate:up
DROP VIEW open_orders;
CREATE VIEW open_orders AS SELECT id, customer_id, amount FROM orders WHERE status = 'open';

-- migrate:down
DROP VIEW open_orders;
CREATE VIEW open_orders AS SELECT id, customer_id FROM orders WHERE status = 'open';
