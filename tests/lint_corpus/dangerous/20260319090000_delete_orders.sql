-- migrate:up
DELETE FROM orders; -- WHERE status = 'open'
TRUNCATE events;

-- migrate:down irreversible:true
