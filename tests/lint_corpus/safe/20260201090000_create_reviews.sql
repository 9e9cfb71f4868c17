-- migrate:up
CREATE TABLE reviews (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    bigint NOT NULL,
    stars       bigint NOT NULL CHECK (stars BETWEEN 1 AND 5),
    body        text
);
CREATE INDEX reviews_order_idx ON reviews (order_id);
COMMENT ON TABLE reviews IS 'DROP TABLE orders; -- only a comment; DELETE FROM orders;';

-- migrate:down
DROP TABLE reviews;
