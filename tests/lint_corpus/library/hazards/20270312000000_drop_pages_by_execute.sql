-- migrate:up
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attname = 'pages') THEN
        EXECUTE 'ALTER TABLE books DROP COLUMN pages';
    END IF;
END
$$;

-- migrate:down irreversible:true
