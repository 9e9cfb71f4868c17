-- migrate:up
ALTER TABLE customers RENAME COLUMN name TO full_name;
ALTER TABLE countries RENAME TO lands;
ALTER TYPE order_status RENAME VALUE 'paid' TO 'settled';

-- migrate:down
ALTER TYPE order_status RENAME VALUE 'settled' TO 'paid';
ALTER TABLE lands RENAME TO countries;
ALTER TABLE customers RENAME COLUMN full_name TO name;
