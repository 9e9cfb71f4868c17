-- Create customers, orders, their lines and tickets, and the booking fee.
--
-- Purpose: everything that is written while somebody buys a ticket. Money is
-- kept in cents; a line's total is computed by the database, so no client can
-- get it wrong.
-- Rollback: drops the tables, and with them all orders.

-- migrate:up
CREATE TABLE boxoffice.customers (
    customer_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email       text NOT NULL,
    phone       text CHECK (phone ~ '^\+?[0-9 ]{6,20}$'),
    preferences jsonb NOT NULL DEFAULT '{"newsletter": false, "greeting": "It''s showtime!"}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    name        text NOT NULL
);
COMMENT ON COLUMN boxoffice.customers.name IS 'As the customer writes it: "Seán O''Brien"; never split it at the blank';

CREATE TABLE boxoffice.orders (
    order_id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_no            bigint GENERATED ALWAYS AS IDENTITY (START WITH 10000) UNIQUE,
    customer_id         uuid NOT NULL REFERENCES boxoffice.customers (customer_id),
    placed_at           timestamptz NOT NULL DEFAULT now(),
    paid_at             timestamptz,
    cancelled_at        timestamptz,
    payment_reference   text UNIQUE,
    details             jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON COLUMN boxoffice.orders.order_no IS 'The number people read out on the telephone; the key is order_id';

CREATE TABLE boxoffice.order_lines (
    order_id            uuid NOT NULL REFERENCES boxoffice.orders (order_id) ON DELETE CASCADE,
    line_no             smallint NOT NULL,
    performance_id      uuid NOT NULL,
    band                text NOT NULL,
    quantity            integer NOT NULL,
    unit_price_cents    integer NOT NULL,
    discount_cents      integer NOT NULL DEFAULT 0,
    total_cents         integer GENERATED ALWAYS AS (quantity * unit_price_cents - discount_cents) STORED,
    PRIMARY KEY (order_id, line_no),
    FOREIGN KEY (performance_id, band) REFERENCES boxoffice.price_bands (performance_id, band)
);
CREATE INDEX order_lines_performance_idx ON boxoffice.order_lines (performance_id, band);

CREATE TABLE boxoffice.tickets (
    ticket_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id    uuid NOT NULL,
    line_no     smallint NOT NULL,
    seat        text NOT NULL,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9]{4}-[A-Z0-9]{4}$'),
    FOREIGN KEY (order_id, line_no) REFERENCES boxoffice.order_lines (order_id, line_no) ON DELETE CASCADE
);
CREATE INDEX tickets_order_line_idx ON boxoffice.tickets (order_id, line_no);

-- One fee is in force at a time. A range alone needs no extension in an EXCLUDE constraint.
CREATE TABLE boxoffice.booking_fees (
    in_force    daterange PRIMARY KEY,
    fee_cents   integer NOT NULL CHECK (fee_cents >= 0),
    CONSTRAINT booking_fees_one_at_a_time EXCLUDE USING gist (in_force WITH &&),
    CONSTRAINT booking_fees_in_force_not_empty CHECK (NOT isempty(in_force))
);

-- migrate:down
DROP TABLE boxoffice.booking_fees;
DROP TABLE boxoffice.tickets;
DROP TABLE boxoffice.order_lines;
DROP TABLE boxoffice.orders;
DROP TABLE boxoffice.customers;
