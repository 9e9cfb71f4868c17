-- migrate:up
REFRESH MATERIALIZED VIEW CONCURRENTLY sales;

-- migrate:down
-- A refresh needs no way back.
