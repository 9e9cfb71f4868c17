-- migrate:up
ALTER TABLE orders ADD COLUMN channel text;
UPDATE orders SET channel = 'shop' WHERE reference LIKE 'A-%';

-- migrate:down
ALTER TABLE orders DROP COLUMN channel;
