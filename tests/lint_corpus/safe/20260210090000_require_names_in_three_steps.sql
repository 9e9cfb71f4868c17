-- migrate:up
UPDATE customers SET name = email WHERE name IS NULL;

-- migrate:down
-- Which names were missing is not known any more, and no code needs to know.

-- migrate:up transaction:false
ALTER TABLE customers ADD CONSTRAINT customers_name_present CHECK (name IS NOT NULL) NOT VALID;

-- migrate:down
ALTER TABLE customers DROP CONSTRAINT customers_name_present;

-- migrate:up transaction:false
ALTER TABLE customers VALIDATE CONSTRAINT customers_name_present;

-- migrate:down irreversible:true

-- migrate:up transaction:false
ALTER TABLE customers ALTER COLUMN name SET NOT NULL;

-- migrate:down
ALTER TABLE customers ALTER COLUMN name DROP NOT NULL;
