-- migrate:up
ALTER TABLE books ALTER COLUMN pages SET NOT NULL;

-- migrate:down irreversible:true
