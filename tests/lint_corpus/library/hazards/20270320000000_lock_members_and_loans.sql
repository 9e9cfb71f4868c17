-- migrate:up
LOCK TABLE members, ONLY loans;

-- migrate:down irreversible:true
