-- migrate:up
ALTER TABLE books ALTER COLUMN pages TYPE bigint;

-- migrate:down irreversible:true
