-- migrate:up
UPDATE orders SET amount = 1 WHERE amount = 0 LIMIT 1000;

-- migrate:down
-- The zero was wrong, nothing to undo.
