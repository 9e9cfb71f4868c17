-- migrate:up
ALTER TABLE notes DISABLE ROW LEVEL SECURITY;

-- migrate:down irreversible:true
