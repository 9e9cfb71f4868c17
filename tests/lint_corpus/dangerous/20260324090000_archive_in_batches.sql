-- migrate:up
DO $$
BEGIN
    FOR round IN 1..10 LOOP
        DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE status = 'paid' LIMIT 10);
        PERFORM pg_sleep(0.001);
    END LOOP;
END
$$;

-- migrate:down irreversible:true
