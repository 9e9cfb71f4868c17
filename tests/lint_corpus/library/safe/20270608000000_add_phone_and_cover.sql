-- migrate:up
ALTER TABLE members ADD COLUMN phone text;
ALTER TABLE books ADD COLUMN cover bytea, ADD COLUMN spine text;

-- migrate:down irreversible:true
