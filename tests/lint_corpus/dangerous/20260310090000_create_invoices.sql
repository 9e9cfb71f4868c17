-- migrate:up
CREATE TABLE invoices (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL REFERENCES orders (id)
);

-- migrate:down
DROP TABLE invoices;
