-- migrate:up
CREATE TABLE notes (id bigint PRIMARY KEY, member_id bigint NOT NULL, body text NOT NULL);
CREATE POLICY notes_of_member ON notes USING (member_id = current_setting('library.member')::bigint);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;

-- migrate:down irreversible:true
