-- Rename customers.name to full_name, step 2 of 3: fill the new column.
--
-- Purpose: customers that nobody has changed since step 1 still lack a full_name.
-- One UPDATE over the whole table would lock every row until it is done. Here each
-- batch is committed on its own and sales get a breath in between. A DO block may
-- only COMMIT outside a transaction, hence transaction:false and nothing else in
-- the section. It can be stopped at any time: what is filled stays filled, and
-- another run goes on with the rest.
-- Rollback: empties the column again; the names are still in the old one.

-- migrate:up transaction:false
DO $$
DECLARE
    batch_size CONSTANT integer := 1000;
    filled integer;
    total integer := 0;
BEGIN
    LOOP
        UPDATE boxoffice.customers
           SET full_name = name
         WHERE customer_id IN (
                   SELECT customer_id
                     FROM boxoffice.customers
                    WHERE full_name IS NULL
                    ORDER BY customer_id
                    LIMIT batch_size
                      FOR UPDATE
               );
        GET DIAGNOSTICS filled = ROW_COUNT;
        COMMIT;
        total := total + filled;
        RAISE NOTICE 'full_name: % customers so far', total;
        EXIT WHEN filled < batch_size;
        PERFORM pg_sleep(0.1);
    END LOOP;
END
$$;

-- migrate:down
UPDATE boxoffice.customers SET full_name = NULL WHERE full_name IS NOT NULL;
