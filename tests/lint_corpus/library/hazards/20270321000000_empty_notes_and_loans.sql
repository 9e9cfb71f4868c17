-- migrate:up
TRUNCATE notes, ONLY loans;

-- migrate:down irreversible:true
