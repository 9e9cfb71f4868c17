-- Rename customers.name to full_name, step 1 of 3: add the new column.
--
-- Purpose: the new CRM expects full_name. Renaming the column in place would break
-- every running copy of the application at once. So for a while there are two
-- columns, and a trigger that keeps them equal, whichever of the two is written.
-- Deploy: apply this, then release the application that uses full_name.
-- Rollback: drops the new column. Nothing is lost, the old one has every name.
-- dbmigrate:ignore-file L109: the trigger comes last

-- migrate:up
ALTER TABLE boxoffice.customers ADD COLUMN full_name text;
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

-- migrate:down
DROP TRIGGER customers_sync_name ON boxoffice.customers;
DROP FUNCTION boxoffice.sync_customer_name();
ALTER TABLE boxoffice.customers DROP COLUMN full_name;
