-- Rename customers.name to full_name, step 3 of 3: drop the old column.
--
-- Purpose: the release that only knows full_name has been live for two weeks.
-- Deploy: only when no copy of the old application is left; nothing reads or
-- writes "name" any more.
-- Locking: SET NOT NULL reads the table once under an exclusive lock. For our
-- 200,000 customers that is well under a second; a much bigger table would prove it
-- beforehand, see check_emails_and_amounts.
-- Rollback: the data stays where it is, under the old name, and the new column is
-- added again behind it. The table comes back just as step 2 left it.
-- dbmigrate:ignore-file L106: under a second, see above
-- dbmigrate:ignore-file L121: no copy of the application names it, see above

-- migrate:up
DROP TRIGGER customers_sync_name ON boxoffice.customers;
DROP FUNCTION boxoffice.sync_customer_name();
ALTER TABLE boxoffice.customers
    ALTER COLUMN full_name SET NOT NULL,
    DROP COLUMN name;
COMMENT ON COLUMN boxoffice.customers.full_name IS 'As the customer writes it: "Seán O''Brien"; never split it at the blank';

-- migrate:down
-- PostgreSQL 18 gives a NOT NULL a name, made of the column's: so it is dropped before the rename and set after it.
ALTER TABLE boxoffice.customers ALTER COLUMN full_name DROP NOT NULL;
ALTER TABLE boxoffice.customers RENAME COLUMN full_name TO name;
ALTER TABLE boxoffice.customers ALTER COLUMN name SET NOT NULL;
ALTER TABLE boxoffice.customers ADD COLUMN full_name text;
UPDATE boxoffice.customers SET full_name = name;
COMMENT ON COLUMN boxoffice.customers.full_name IS 'Takes the place of "name"; don''t rely on it before step 2';

CREATE FUNCTION boxoffice.sync_customer_name() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.full_name := COALESCE(NEW.full_name, NEW.name);
        NEW.name := COALESCE(NEW.name, NEW.full_name);
    ELSIF NEW.name IS DISTINCT FROM OLD.name THEN
        NEW.full_name := NEW.name;
    ELSIF NEW.full_name IS DISTINCT FROM OLD.full_name AND NEW.full_name IS NOT NULL THEN
        NEW.name := NEW.full_name;
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER customers_sync_name
    BEFORE INSERT OR UPDATE OF name, full_name ON boxoffice.customers
    FOR EACH ROW
    EXECUTE FUNCTION boxoffice.sync_customer_name();
