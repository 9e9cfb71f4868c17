-- migrate:up
DROP POLICY notes_of_member ON notes;
CREATE POLICY notes_of_member ON notes USING (member_id >= current_setting('library.member')::bigint);

-- migrate:down irreversible:true
