-- migrate:up
ALTER TABLE ONLY books FORCE ROW LEVEL SECURITY;

-- migrate:down irreversible:true
