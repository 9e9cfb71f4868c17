-- migrate:up
DO $$
BEGIN
    EXECUTE 'ANALYZE books';
    EXECUTE format('COMMENT ON TABLE books IS %L', 'TRUNCATE books; DROP TABLE loans');
END
$$;

-- migrate:down irreversible:true
