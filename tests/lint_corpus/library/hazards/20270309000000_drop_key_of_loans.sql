-- migrate:up
ALTER TABLE loans DROP CONSTRAINT loans_pkey;

-- migrate:down irreversible:true
