-- migrate:up
ANALYZE orders;

-- migrate:down
-- Statistics need no way back.
