-- migrate:up
ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'refunded' AFTER 'paid';

-- migrate:down irreversible:true

-- migrate:up transaction:false
UPDATE orders SET status = 'refunded' WHERE reference = 'A-2';

-- migrate:down
UPDATE orders SET status = 'open' WHERE status = 'refunded';
