-- migrate:up
VACUUM orders;

-- migrate:down
-- A vacuum needs no way back.
