-- migrate:up
ALTER TABLE customers ADD COLUMN country text;
ALTER TABLE customers
    ADD CONSTRAINT customers_country_fkey FOREIGN KEY (country) REFERENCES countries (code);

-- migrate:down
ALTER TABLE customers DROP COLUMN country;
