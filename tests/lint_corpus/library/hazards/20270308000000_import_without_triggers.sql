-- migrate:up
SET LOCAL session_replication_role = 'replica';
INSERT INTO loans (id, member_id, book_id) VALUES (3, 1, 2);

-- migrate:down irreversible:true
