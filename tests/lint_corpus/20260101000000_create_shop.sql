-- What the corpus stands on: a shop with rows in it. Each of the other files runs alone on top of this one.

-- migrate:up
CREATE TABLE customers (
    id          bigint PRIMARY KEY,
    email       varchar(50) NOT NULL,
    name        text,
    note        text CONSTRAINT customers_note_short CHECK (length(note) < 200),
    credit      numeric(10, 2) NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX customers_email_key ON customers (email);

CREATE TYPE order_status AS ENUM ('open', 'paid');

CREATE TABLE orders (
    id          bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    status      order_status NOT NULL DEFAULT 'open',
    amount      integer NOT NULL DEFAULT 0,
    reference   text,
    placed_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT orders_reference_present CHECK (reference IS NOT NULL)
);
CREATE INDEX orders_customer_idx ON orders (customer_id);

CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);

CREATE TABLE events (happened_on date NOT NULL, what text) PARTITION BY RANGE (happened_on);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 (
    happened_on date NOT NULL,
    what        text,
    CONSTRAINT events_2026_bounds CHECK (happened_on >= '2026-01-01' AND happened_on < '2027-01-01')
);
CREATE TABLE events_2027 (happened_on date NOT NULL, what text);

CREATE MATERIALIZED VIEW sales AS SELECT customer_id, count(*) AS total FROM orders GROUP BY customer_id;
CREATE UNIQUE INDEX sales_key ON sales (customer_id);
CREATE VIEW open_orders AS SELECT id, customer_id FROM orders WHERE status = 'open';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION fresh_code() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT md5(random()::text) $$;

INSERT INTO customers (id, email, name) VALUES (1, 'ann@example.com', 'Ann'), (2, 'bo@example.com', NULL);
INSERT INTO orders (id, customer_id, reference) VALUES (1, 1, 'A-1'), (2, 2, 'A-2');

-- migrate:down irreversible:true
