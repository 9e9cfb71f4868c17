-- migrate:up
ALTER TABLE members ADD COLUMN branch text;
ALTER TABLE books ADD COLUMN branch text;
ALTER TABLE loans ADD COLUMN branch text;

-- migrate:down irreversible:true
