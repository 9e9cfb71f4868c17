-- migrate:up
ALTER TABLE books REPLICA IDENTITY NOTHING;

-- migrate:down irreversible:true
