-- migrate:up
LOCK TABLE orders;
UPDATE orders SET amount = amount + 1 WHERE status = 'open';

-- migrate:down
UPDATE orders SET amount = amount - 1 WHERE status = 'open';
