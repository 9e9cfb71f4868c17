-- migrate:up
CREATE FUNCTION record_loan() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
-- dbmigrate:ignore L109: nothing follows
CREATE TRIGGER loans_recorded BEFORE INSERT OR UPDATE ON loans FOR EACH ROW EXECUTE FUNCTION record_loan();

-- migrate:down irreversible:true
