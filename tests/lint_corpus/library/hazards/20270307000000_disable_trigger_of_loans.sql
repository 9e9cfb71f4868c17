-- migrate:up
ALTER TABLE loans DISABLE TRIGGER loans_recorded;

-- migrate:down irreversible:true
