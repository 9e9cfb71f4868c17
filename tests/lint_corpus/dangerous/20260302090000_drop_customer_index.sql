-- migrate:up
DROP INDEX customers_email_key;
REINDEX TABLE orders;

-- migrate:down
CREATE UNIQUE INDEX customers_email_key ON customers (email);
