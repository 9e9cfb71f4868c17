-- migrate:up
ALTER TABLE customers DROP COLUMN note, DROP COLUMN created_at CASCADE;
DROP TABLE countries;
DROP FUNCTION fresh_code();

-- migrate:down irreversible:true
