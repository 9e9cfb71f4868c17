-- migrate:up
DO $$
BEGIN
    EXECUTE format('CREATE INDEX %I ON %I (title)', 'books_title_idx', 'books');
END
$$;

-- migrate:down irreversible:true
