-- migrate:up transaction:false
CREATE UNIQUE INDEX CONCURRENTLY loans_new_key ON loans (member_id, id);
ALTER TABLE loans DROP CONSTRAINT loans_pkey, ADD CONSTRAINT loans_pkey PRIMARY KEY USING INDEX loans_new_key;

-- migrate:down irreversible:true
