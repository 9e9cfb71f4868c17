-- migrate:up
INSERT INTO members (email, name) VALUES ('jane.doe@gmail.com', 'Jane');

-- migrate:down irreversible:true
