-- migrate:up
DROP POLICY notes_of_member ON notes;

-- migrate:down irreversible:true
