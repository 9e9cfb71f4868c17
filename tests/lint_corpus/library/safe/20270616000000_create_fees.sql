-- migrate:up
CREATE TABLE fees (week smallint PRIMARY KEY, cents integer NOT NULL);
DO $$
BEGIN
    FOR week IN 1..9 LOOP
        INSERT INTO fees VALUES (week, week * 50);
    END LOOP;
    UPDATE fees SET cents = 400 WHERE cents > 400;
END
$$;

-- migrate:down irreversible:true
