-- migrate:up
LOCK TABLE ONLY loans;
ALTER TABLE loans ADD COLUMN due_on date;

-- migrate:down irreversible:true
