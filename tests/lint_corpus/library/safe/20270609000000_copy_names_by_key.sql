-- migrate:up transaction:false
DO $$
DECLARE
    done bigint := 0;
    last bigint;
BEGIN
    LOOP
        SELECT max(id) INTO last FROM (SELECT id FROM members WHERE id > done ORDER BY id LIMIT 1000) AS batch;
        EXIT WHEN last IS NULL;
        UPDATE members SET shown_as = name WHERE id > done AND id <= last AND shown_as IS NULL;
        COMMIT;
        done := last;
    END LOOP;
END
$$;

-- migrate:down irreversible:true
