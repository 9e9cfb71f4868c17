-- migrate:up
ALTER TABLE books ADD COLUMN slug text DEFAULT regexp_replace('No Title', '\s+', '-', 'g');

-- migrate:down irreversible:true
