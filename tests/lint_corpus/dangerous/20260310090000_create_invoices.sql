-- migrate:up
CREATE TABLE invoices (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES orders (id)
);
INSERT INTO invoices (order_id) SELECT id FROM orders;

-- migrate:down
DROP TABLE invoices;
