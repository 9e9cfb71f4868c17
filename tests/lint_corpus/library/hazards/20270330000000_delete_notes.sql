-- migrate:up
DELETE FROM notes;

-- migrate:down irreversible:true
