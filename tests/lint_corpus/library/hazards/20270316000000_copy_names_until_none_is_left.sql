-- migrate:up transaction:false
DO $$
DECLARE
    changed integer;
BEGIN
    LOOP
        UPDATE members SET shown_as = name
         WHERE id IN (SELECT id FROM members WHERE shown_as IS NULL ORDER BY id LIMIT 1000);
        GET DIAGNOSTICS changed = ROW_COUNT;
        COMMIT;
        EXIT WHEN changed = 0;
    END LOOP;
END
$$;

-- migrate:down irreversible:true
