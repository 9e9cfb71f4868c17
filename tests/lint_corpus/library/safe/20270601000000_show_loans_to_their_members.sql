-- migrate:up
CREATE POLICY loans_of_member ON loans USING (member_id = current_setting('library.member')::bigint);
ALTER TABLE loans ENABLE ROW LEVEL SECURITY;

-- migrate:down irreversible:true
