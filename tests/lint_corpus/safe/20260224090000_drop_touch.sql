-- The function of a trigger, which nothing else can call.
-- migrate:up
DROP FUNCTION touch();

-- migrate:down
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
