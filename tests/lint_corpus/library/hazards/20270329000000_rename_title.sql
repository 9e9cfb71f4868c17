-- migrate:up
ALTER TABLE books RENAME COLUMN title TO name;

-- migrate:down irreversible:true
