-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY visits_2026_member_idx ON visits_2026 (member_id);

-- migrate:down irreversible:true
