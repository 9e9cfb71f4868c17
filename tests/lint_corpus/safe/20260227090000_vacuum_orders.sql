-- migrate:up transaction:false
VACUUM (ANALYZE) orders;

-- migrate:down
-- A vacuum needs no way back.
