-- migrate:up transaction:false
DO $$
DECLARE
    changed integer;
BEGIN
    LOOP
        UPDATE customers SET name = email
         WHERE id IN (SELECT id FROM customers WHERE name IS NULL ORDER BY id LIMIT 1000 FOR UPDATE);
        GET DIAGNOSTICS changed = ROW_COUNT;
        COMMIT;
        EXIT WHEN changed = 0;
    END LOOP;
END
$$;

-- migrate:down
-- The names that were missing are those of the addresses: nothing to undo.
