-- migrate:up
ALTER TABLE books ADD CONSTRAINT books_pages_positive CHECK (pages > 0);

-- migrate:down irreversible:true
