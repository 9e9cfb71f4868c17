-- migrate:up
UPDATE orders SET status = 'paid';

-- migrate:down
UPDATE orders SET status = 'open';
