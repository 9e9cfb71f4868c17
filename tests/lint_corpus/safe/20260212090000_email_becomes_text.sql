-- migrate:up
ALTER TABLE customers ALTER COLUMN email SET DATA TYPE text;

-- migrate:down irreversible:true
