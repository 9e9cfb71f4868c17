-- migrate:up
ALTER TABLE loans ENABLE ROW LEVEL SECURITY;

-- migrate:down irreversible:true
