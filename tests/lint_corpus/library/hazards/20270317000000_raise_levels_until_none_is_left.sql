-- migrate:up transaction:false
DO $$
BEGIN
    LOOP
        UPDATE members SET level = 1
         WHERE id IN (SELECT id FROM members WHERE joined_on < '2030-01-01' LIMIT 1000);
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
$$;

-- migrate:down irreversible:true
