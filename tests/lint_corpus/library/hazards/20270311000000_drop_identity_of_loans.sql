-- migrate:up transaction:false
DROP INDEX CONCURRENTLY loans_identity_idx;

-- migrate:down irreversible:true
