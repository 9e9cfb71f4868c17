SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: boxoffice; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA boxoffice;


--
-- Name: SCHEMA boxoffice; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA boxoffice IS 'Limelight''s box office: programme, orders, tickets and the doors';


--
-- Name: order_status; Type: TYPE; Schema: boxoffice; Owner: -
--

CREATE TYPE boxoffice.order_status AS ENUM (
    'reserved',
    'paid',
    'refunded',
    'cancelled'
);


--
-- Name: count_row_version(); Type: FUNCTION; Schema: boxoffice; Owner: -
--

CREATE FUNCTION boxoffice.count_row_version() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.row_version := OLD.row_version + 1;
    RETURN NEW;
END;
$$;


--
-- Name: current_customer(); Type: FUNCTION; Schema: boxoffice; Owner: -
--

CREATE FUNCTION boxoffice.current_customer() RETURNS uuid
    LANGUAGE sql STABLE
    AS $$ SELECT NULLIF(current_setting('boxoffice.customer_id', true), '')::uuid $$;


--
-- Name: record_order_status(); Type: FUNCTION; Schema: boxoffice; Owner: -
--

CREATE FUNCTION boxoffice.record_order_status() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    before text := 'new';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.status;
    END IF;
    -- The names are qualified: a trigger runs with the search_path of whoever fires it.
    INSERT INTO boxoffice.order_events (order_id, change, details)
    VALUES (
        NEW.order_id,
        format('%s -> %s', before, NEW.status),
        jsonb_build_object('order_no', NEW.order_no, 'by', session_user)
    );
    RETURN NULL;  -- the result of an AFTER trigger is ignored
END;
$$;


--
-- Name: booking_fees; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.booking_fees (
    in_force daterange NOT NULL,
    fee_cents integer NOT NULL,
    CONSTRAINT booking_fees_fee_cents_check CHECK ((fee_cents >= 0)),
    CONSTRAINT booking_fees_in_force_not_empty CHECK ((NOT isempty(in_force)))
);


--
-- Name: customers; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.customers (
    customer_id uuid DEFAULT gen_random_uuid() NOT NULL,
    email text NOT NULL,
    phone text,
    preferences jsonb DEFAULT '{"greeting": "It''s showtime!"}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    full_name text NOT NULL,
    CONSTRAINT customers_email_format CHECK ((email ~* '^[a-z0-9._%+-]+@([a-z0-9-]+\.)+([a-z]{2,}|xn--[a-z0-9]+)$'::text)),
    CONSTRAINT customers_phone_check CHECK ((phone ~ '^\+?[0-9 ]{6,20}$'::text))
);


--
-- Name: COLUMN customers.full_name; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON COLUMN boxoffice.customers.full_name IS 'As the customer writes it: "Seán O''Brien"; never split it at the blank';


--
-- Name: door_scans; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.door_scans (
    scanned_on date NOT NULL,
    ticket_id uuid NOT NULL,
    scan_no integer DEFAULT 1 NOT NULL,
    scanned_at timestamp with time zone DEFAULT now() NOT NULL,
    door text DEFAULT 'main'::text NOT NULL,
    CONSTRAINT door_scans_scan_no_check CHECK ((scan_no > 0))
)
PARTITION BY RANGE (scanned_on);


--
-- Name: door_scans_2026_q1; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.door_scans_2026_q1 (
    scanned_on date CONSTRAINT door_scans_scanned_on_not_null NOT NULL,
    ticket_id uuid CONSTRAINT door_scans_ticket_id_not_null NOT NULL,
    scan_no integer DEFAULT 1 CONSTRAINT door_scans_scan_no_not_null NOT NULL,
    scanned_at timestamp with time zone DEFAULT now() CONSTRAINT door_scans_scanned_at_not_null NOT NULL,
    door text DEFAULT 'main'::text CONSTRAINT door_scans_door_not_null NOT NULL,
    CONSTRAINT door_scans_scan_no_check CHECK ((scan_no > 0))
);


--
-- Name: door_scans_2026_q2; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.door_scans_2026_q2 (
    scanned_on date CONSTRAINT door_scans_scanned_on_not_null NOT NULL,
    ticket_id uuid CONSTRAINT door_scans_ticket_id_not_null NOT NULL,
    scan_no integer DEFAULT 1 CONSTRAINT door_scans_scan_no_not_null NOT NULL,
    scanned_at timestamp with time zone DEFAULT now() CONSTRAINT door_scans_scanned_at_not_null NOT NULL,
    door text DEFAULT 'main'::text CONSTRAINT door_scans_door_not_null NOT NULL,
    CONSTRAINT door_scans_scan_no_check CHECK ((scan_no > 0))
);


--
-- Name: door_scans_2026_q3; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.door_scans_2026_q3 (
    scanned_on date CONSTRAINT door_scans_scanned_on_not_null NOT NULL,
    ticket_id uuid CONSTRAINT door_scans_ticket_id_not_null NOT NULL,
    scan_no integer DEFAULT 1 CONSTRAINT door_scans_scan_no_not_null NOT NULL,
    scanned_at timestamp with time zone DEFAULT now() CONSTRAINT door_scans_scanned_at_not_null NOT NULL,
    door text DEFAULT 'main'::text CONSTRAINT door_scans_door_not_null NOT NULL,
    CONSTRAINT door_scans_scan_no_check CHECK ((scan_no > 0))
);


--
-- Name: door_scans_2026_q4; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.door_scans_2026_q4 (
    scanned_on date CONSTRAINT door_scans_scanned_on_not_null NOT NULL,
    ticket_id uuid CONSTRAINT door_scans_ticket_id_not_null NOT NULL,
    scan_no integer DEFAULT 1 CONSTRAINT door_scans_scan_no_not_null NOT NULL,
    scanned_at timestamp with time zone DEFAULT now() CONSTRAINT door_scans_scanned_at_not_null NOT NULL,
    door text DEFAULT 'main'::text CONSTRAINT door_scans_door_not_null NOT NULL,
    CONSTRAINT door_scans_scan_no_check CHECK ((scan_no > 0))
);


--
-- Name: door_scans_default; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.door_scans_default (
    scanned_on date CONSTRAINT door_scans_scanned_on_not_null NOT NULL,
    ticket_id uuid CONSTRAINT door_scans_ticket_id_not_null NOT NULL,
    scan_no integer DEFAULT 1 CONSTRAINT door_scans_scan_no_not_null NOT NULL,
    scanned_at timestamp with time zone DEFAULT now() CONSTRAINT door_scans_scanned_at_not_null NOT NULL,
    door text DEFAULT 'main'::text CONSTRAINT door_scans_door_not_null NOT NULL,
    CONSTRAINT door_scans_scan_no_check CHECK ((scan_no > 0))
);


--
-- Name: TABLE door_scans_default; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON TABLE boxoffice.door_scans_default IS 'Must stay empty: a row here means "next quarter''s partition is missing"';


--
-- Name: events; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.events (
    event_id uuid DEFAULT gen_random_uuid() NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    running_minutes integer,
    details jsonb DEFAULT '{"note": "Doors don''t reopen after the interval", "language": "en"}'::jsonb NOT NULL,
    CONSTRAINT events_kind_check CHECK ((kind = ANY (ARRAY['play'::text, 'concert'::text, 'reading'::text, 'festival'::text]))),
    CONSTRAINT events_running_minutes_check CHECK (((running_minutes >= 1) AND (running_minutes <= 600))),
    CONSTRAINT events_title_check CHECK ((title <> ''::text))
);


--
-- Name: halls; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.halls (
    venue_id uuid NOT NULL,
    hall_no smallint NOT NULL,
    name text NOT NULL,
    capacity integer NOT NULL,
    CONSTRAINT halls_capacity_check CHECK ((capacity > 0))
);


--
-- Name: newsletter_subscriptions; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.newsletter_subscriptions (
    customer_id uuid NOT NULL,
    agreed_at timestamp with time zone DEFAULT now() NOT NULL,
    source text NOT NULL,
    CONSTRAINT newsletter_subscriptions_source_check CHECK ((source ~* '^(web|counter|preferences):'::text))
);


--
-- Name: order_events; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.order_events (
    event_id bigint NOT NULL,
    order_id uuid NOT NULL,
    happened_at timestamp with time zone DEFAULT now() NOT NULL,
    change text NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);


--
-- Name: order_events_event_id_seq; Type: SEQUENCE; Schema: boxoffice; Owner: -
--

ALTER TABLE boxoffice.order_events ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME boxoffice.order_events_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: order_lines; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.order_lines (
    order_id uuid NOT NULL,
    line_no smallint NOT NULL,
    performance_id uuid NOT NULL,
    band text NOT NULL,
    quantity integer NOT NULL,
    unit_price_cents integer NOT NULL,
    discount_cents integer DEFAULT 0 NOT NULL,
    total_cents integer GENERATED ALWAYS AS (((quantity * unit_price_cents) - discount_cents)) STORED,
    CONSTRAINT order_lines_amounts_possible CHECK (((quantity > 0) AND (unit_price_cents >= 0) AND ((discount_cents >= 0) AND (discount_cents <= (quantity * unit_price_cents)))))
);


--
-- Name: orders; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.orders (
    order_id uuid DEFAULT gen_random_uuid() NOT NULL,
    order_no bigint NOT NULL,
    customer_id uuid NOT NULL,
    placed_at timestamp with time zone DEFAULT now() NOT NULL,
    paid_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    payment_reference text,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    status boxoffice.order_status DEFAULT 'reserved'::boxoffice.order_status NOT NULL,
    reserved_until timestamp with time zone,
    row_version integer DEFAULT 1 NOT NULL,
    CONSTRAINT orders_deadline_after_placed CHECK ((reserved_until > placed_at))
);


--
-- Name: COLUMN orders.order_no; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON COLUMN boxoffice.orders.order_no IS 'The number people read out on the telephone; the key is order_id';


--
-- Name: COLUMN orders.status; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON COLUMN boxoffice.orders.status IS 'Set by the application; a ''reserved'' order holds its seats until it is paid';


--
-- Name: orders_order_no_seq; Type: SEQUENCE; Schema: boxoffice; Owner: -
--

ALTER TABLE boxoffice.orders ALTER COLUMN order_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME boxoffice.orders_order_no_seq
    START WITH 10000
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: performances; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.performances (
    performance_id uuid DEFAULT gen_random_uuid() NOT NULL,
    event_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    hall_no smallint NOT NULL,
    doors_open_at timestamp with time zone NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    CONSTRAINT performances_doors_before_start CHECK ((doors_open_at <= starts_at))
);


--
-- Name: price_bands; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.price_bands (
    performance_id uuid NOT NULL,
    band text NOT NULL,
    price_cents integer NOT NULL,
    CONSTRAINT price_bands_band_check CHECK ((band ~ '^[A-Z]$'::text)),
    CONSTRAINT price_bands_price_cents_check CHECK ((price_cents >= 0))
);


--
-- Name: venues; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.venues (
    venue_id uuid DEFAULT gen_random_uuid() NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    address jsonb DEFAULT '{}'::jsonb NOT NULL,
    opened_on date,
    CONSTRAINT venues_address_is_object CHECK ((jsonb_typeof(address) = 'object'::text)),
    CONSTRAINT venues_slug_check CHECK ((slug ~ '^[a-z][a-z0-9-]{2,}$'::text))
);


--
-- Name: TABLE venues; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON TABLE boxoffice.venues IS 'A house we sell for. Its "name" is what''s printed on the ticket.';


--
-- Name: programme; Type: VIEW; Schema: boxoffice; Owner: -
--

CREATE VIEW boxoffice.programme AS
 SELECT p.performance_id,
    p.starts_at,
    p.doors_open_at,
    e.title,
    e.kind,
    v.name AS venue,
    h.name AS hall,
    min(b.price_cents) AS cheapest_cents
   FROM ((((boxoffice.performances p
     JOIN boxoffice.events e ON ((e.event_id = p.event_id)))
     JOIN boxoffice.venues v ON ((v.venue_id = p.venue_id)))
     JOIN boxoffice.halls h ON (((h.venue_id = p.venue_id) AND (h.hall_no = p.hall_no))))
     LEFT JOIN boxoffice.price_bands b ON ((b.performance_id = p.performance_id)))
  GROUP BY p.performance_id, p.starts_at, p.doors_open_at, e.title, e.kind, v.name, h.name;


--
-- Name: VIEW programme; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON VIEW boxoffice.programme IS 'What''s on: one row per performance; "cheapest_cents" is NULL before prices are set';


--
-- Name: sales_by_performance; Type: MATERIALIZED VIEW; Schema: boxoffice; Owner: -
--

CREATE MATERIALIZED VIEW boxoffice.sales_by_performance AS
 SELECT p.performance_id,
    e.title,
    h.capacity,
    COALESCE(sum(l.quantity), (0)::bigint) AS seats_sold,
    COALESCE(sum(l.total_cents), (0)::bigint) AS income_cents,
    round(((100.0 * (COALESCE(sum(l.quantity), (0)::bigint))::numeric) / (h.capacity)::numeric), 1) AS sold_percent
   FROM (((boxoffice.performances p
     JOIN boxoffice.events e ON ((e.event_id = p.event_id)))
     JOIN boxoffice.halls h ON (((h.venue_id = p.venue_id) AND (h.hall_no = p.hall_no))))
     LEFT JOIN (boxoffice.order_lines l
     JOIN boxoffice.orders o ON (((o.order_id = l.order_id) AND (o.status = 'paid'::boxoffice.order_status)))) ON ((l.performance_id = p.performance_id)))
  GROUP BY p.performance_id, e.title, h.capacity
  WITH NO DATA;


--
-- Name: COLUMN sales_by_performance.sold_percent; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON COLUMN boxoffice.sales_by_performance.sold_percent IS 'Share of the hall''s seats in %, paid orders only';


--
-- Name: tickets; Type: TABLE; Schema: boxoffice; Owner: -
--

CREATE TABLE boxoffice.tickets (
    ticket_id uuid DEFAULT gen_random_uuid() NOT NULL,
    order_id uuid NOT NULL,
    line_no smallint NOT NULL,
    seat text NOT NULL,
    code text NOT NULL,
    CONSTRAINT tickets_code_check CHECK ((code ~ '^[A-Z0-9]{4}-[A-Z0-9]{4}$'::text))
);


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


--
-- Name: door_scans_2026_q1; Type: TABLE ATTACH; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans ATTACH PARTITION boxoffice.door_scans_2026_q1 FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');


--
-- Name: door_scans_2026_q2; Type: TABLE ATTACH; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans ATTACH PARTITION boxoffice.door_scans_2026_q2 FOR VALUES FROM ('2026-04-01') TO ('2026-07-01');


--
-- Name: door_scans_2026_q3; Type: TABLE ATTACH; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans ATTACH PARTITION boxoffice.door_scans_2026_q3 FOR VALUES FROM ('2026-07-01') TO ('2026-10-01');


--
-- Name: door_scans_2026_q4; Type: TABLE ATTACH; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans ATTACH PARTITION boxoffice.door_scans_2026_q4 FOR VALUES FROM ('2026-10-01') TO ('2027-01-01');


--
-- Name: door_scans_default; Type: TABLE ATTACH; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans ATTACH PARTITION boxoffice.door_scans_default DEFAULT;


--
-- Name: booking_fees booking_fees_one_at_a_time; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.booking_fees
    ADD CONSTRAINT booking_fees_one_at_a_time EXCLUDE USING gist (in_force WITH &&);


--
-- Name: booking_fees booking_fees_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.booking_fees
    ADD CONSTRAINT booking_fees_pkey PRIMARY KEY (in_force);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (customer_id);


--
-- Name: door_scans door_scans_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans
    ADD CONSTRAINT door_scans_pkey PRIMARY KEY (scanned_on, ticket_id, scan_no);


--
-- Name: door_scans_2026_q1 door_scans_2026_q1_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans_2026_q1
    ADD CONSTRAINT door_scans_2026_q1_pkey PRIMARY KEY (scanned_on, ticket_id, scan_no);


--
-- Name: door_scans_2026_q2 door_scans_2026_q2_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans_2026_q2
    ADD CONSTRAINT door_scans_2026_q2_pkey PRIMARY KEY (scanned_on, ticket_id, scan_no);


--
-- Name: door_scans_2026_q3 door_scans_2026_q3_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans_2026_q3
    ADD CONSTRAINT door_scans_2026_q3_pkey PRIMARY KEY (scanned_on, ticket_id, scan_no);


--
-- Name: door_scans_2026_q4 door_scans_2026_q4_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans_2026_q4
    ADD CONSTRAINT door_scans_2026_q4_pkey PRIMARY KEY (scanned_on, ticket_id, scan_no);


--
-- Name: door_scans_default door_scans_default_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.door_scans_default
    ADD CONSTRAINT door_scans_default_pkey PRIMARY KEY (scanned_on, ticket_id, scan_no);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (event_id);


--
-- Name: halls halls_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.halls
    ADD CONSTRAINT halls_pkey PRIMARY KEY (venue_id, hall_no);


--
-- Name: halls halls_venue_id_name_key; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.halls
    ADD CONSTRAINT halls_venue_id_name_key UNIQUE (venue_id, name);


--
-- Name: newsletter_subscriptions newsletter_subscriptions_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.newsletter_subscriptions
    ADD CONSTRAINT newsletter_subscriptions_pkey PRIMARY KEY (customer_id);


--
-- Name: order_events order_events_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.order_events
    ADD CONSTRAINT order_events_pkey PRIMARY KEY (event_id);


--
-- Name: order_lines order_lines_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.order_lines
    ADD CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, line_no);


--
-- Name: orders orders_order_no_key; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.orders
    ADD CONSTRAINT orders_order_no_key UNIQUE (order_no);


--
-- Name: orders orders_payment_reference_key; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.orders
    ADD CONSTRAINT orders_payment_reference_key UNIQUE (payment_reference);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id);


--
-- Name: performances performances_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.performances
    ADD CONSTRAINT performances_pkey PRIMARY KEY (performance_id);


--
-- Name: performances performances_venue_id_hall_no_starts_at_key; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.performances
    ADD CONSTRAINT performances_venue_id_hall_no_starts_at_key UNIQUE (venue_id, hall_no, starts_at);


--
-- Name: price_bands price_bands_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.price_bands
    ADD CONSTRAINT price_bands_pkey PRIMARY KEY (performance_id, band);


--
-- Name: tickets tickets_code_key; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.tickets
    ADD CONSTRAINT tickets_code_key UNIQUE (code);


--
-- Name: tickets tickets_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.tickets
    ADD CONSTRAINT tickets_pkey PRIMARY KEY (ticket_id);


--
-- Name: venues venues_pkey; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.venues
    ADD CONSTRAINT venues_pkey PRIMARY KEY (venue_id);


--
-- Name: venues venues_slug_key; Type: CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.venues
    ADD CONSTRAINT venues_slug_key UNIQUE (slug);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: customers_email_lower_key; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE UNIQUE INDEX customers_email_lower_key ON boxoffice.customers USING btree (lower(email));


--
-- Name: door_scans_ticket_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX door_scans_ticket_idx ON ONLY boxoffice.door_scans USING btree (ticket_id);


--
-- Name: door_scans_2026_q1_ticket_id_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX door_scans_2026_q1_ticket_id_idx ON boxoffice.door_scans_2026_q1 USING btree (ticket_id);


--
-- Name: door_scans_2026_q2_ticket_id_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX door_scans_2026_q2_ticket_id_idx ON boxoffice.door_scans_2026_q2 USING btree (ticket_id);


--
-- Name: door_scans_2026_q3_ticket_id_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX door_scans_2026_q3_ticket_id_idx ON boxoffice.door_scans_2026_q3 USING btree (ticket_id);


--
-- Name: door_scans_2026_q4_ticket_id_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX door_scans_2026_q4_ticket_id_idx ON boxoffice.door_scans_2026_q4 USING btree (ticket_id);


--
-- Name: door_scans_default_ticket_id_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX door_scans_default_ticket_id_idx ON boxoffice.door_scans_default USING btree (ticket_id);


--
-- Name: events_title_lower_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX events_title_lower_idx ON boxoffice.events USING btree (lower(title));


--
-- Name: order_events_order_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX order_events_order_idx ON boxoffice.order_events USING btree (order_id, happened_at DESC);


--
-- Name: order_lines_performance_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX order_lines_performance_idx ON boxoffice.order_lines USING btree (performance_id, band);


--
-- Name: orders_customer_newest_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX orders_customer_newest_idx ON boxoffice.orders USING btree (customer_id, placed_at DESC);


--
-- Name: orders_open_reservations_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX orders_open_reservations_idx ON boxoffice.orders USING btree (reserved_until) WHERE (status = 'reserved'::boxoffice.order_status);


--
-- Name: performances_event_id_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX performances_event_id_idx ON boxoffice.performances USING btree (event_id);


--
-- Name: sales_by_performance_key; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE UNIQUE INDEX sales_by_performance_key ON boxoffice.sales_by_performance USING btree (performance_id);


--
-- Name: tickets_order_line_idx; Type: INDEX; Schema: boxoffice; Owner: -
--

CREATE INDEX tickets_order_line_idx ON boxoffice.tickets USING btree (order_id, line_no);


--
-- Name: door_scans_2026_q1_pkey; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_pkey ATTACH PARTITION boxoffice.door_scans_2026_q1_pkey;


--
-- Name: door_scans_2026_q1_ticket_id_idx; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_ticket_idx ATTACH PARTITION boxoffice.door_scans_2026_q1_ticket_id_idx;


--
-- Name: door_scans_2026_q2_pkey; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_pkey ATTACH PARTITION boxoffice.door_scans_2026_q2_pkey;


--
-- Name: door_scans_2026_q2_ticket_id_idx; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_ticket_idx ATTACH PARTITION boxoffice.door_scans_2026_q2_ticket_id_idx;


--
-- Name: door_scans_2026_q3_pkey; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_pkey ATTACH PARTITION boxoffice.door_scans_2026_q3_pkey;


--
-- Name: door_scans_2026_q3_ticket_id_idx; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_ticket_idx ATTACH PARTITION boxoffice.door_scans_2026_q3_ticket_id_idx;


--
-- Name: door_scans_2026_q4_pkey; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_pkey ATTACH PARTITION boxoffice.door_scans_2026_q4_pkey;


--
-- Name: door_scans_2026_q4_ticket_id_idx; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_ticket_idx ATTACH PARTITION boxoffice.door_scans_2026_q4_ticket_id_idx;


--
-- Name: door_scans_default_pkey; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_pkey ATTACH PARTITION boxoffice.door_scans_default_pkey;


--
-- Name: door_scans_default_ticket_id_idx; Type: INDEX ATTACH; Schema: boxoffice; Owner: -
--

ALTER INDEX boxoffice.door_scans_ticket_idx ATTACH PARTITION boxoffice.door_scans_default_ticket_id_idx;


--
-- Name: orders orders_count_row_version; Type: TRIGGER; Schema: boxoffice; Owner: -
--

CREATE TRIGGER orders_count_row_version BEFORE UPDATE ON boxoffice.orders FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION boxoffice.count_row_version();


--
-- Name: orders orders_record_status_insert; Type: TRIGGER; Schema: boxoffice; Owner: -
--

CREATE TRIGGER orders_record_status_insert AFTER INSERT ON boxoffice.orders FOR EACH ROW EXECUTE FUNCTION boxoffice.record_order_status();


--
-- Name: orders orders_record_status_update; Type: TRIGGER; Schema: boxoffice; Owner: -
--

CREATE TRIGGER orders_record_status_update AFTER UPDATE OF status ON boxoffice.orders FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION boxoffice.record_order_status();


--
-- Name: TRIGGER orders_record_status_update ON orders; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON TRIGGER orders_record_status_update ON boxoffice.orders IS 'Writes "old -> new" to order_events; doesn''t fire for other columns';


--
-- Name: door_scans door_scans_ticket_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE boxoffice.door_scans
    ADD CONSTRAINT door_scans_ticket_id_fkey FOREIGN KEY (ticket_id) REFERENCES boxoffice.tickets(ticket_id);


--
-- Name: halls halls_venue_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.halls
    ADD CONSTRAINT halls_venue_id_fkey FOREIGN KEY (venue_id) REFERENCES boxoffice.venues(venue_id) ON DELETE CASCADE;


--
-- Name: newsletter_subscriptions newsletter_subscriptions_customer_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.newsletter_subscriptions
    ADD CONSTRAINT newsletter_subscriptions_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES boxoffice.customers(customer_id) ON DELETE CASCADE;


--
-- Name: order_events order_events_order_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.order_events
    ADD CONSTRAINT order_events_order_id_fkey FOREIGN KEY (order_id) REFERENCES boxoffice.orders(order_id) ON DELETE CASCADE;


--
-- Name: order_lines order_lines_order_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.order_lines
    ADD CONSTRAINT order_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES boxoffice.orders(order_id) ON DELETE CASCADE;


--
-- Name: order_lines order_lines_performance_id_band_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.order_lines
    ADD CONSTRAINT order_lines_performance_id_band_fkey FOREIGN KEY (performance_id, band) REFERENCES boxoffice.price_bands(performance_id, band);


--
-- Name: orders orders_customer_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES boxoffice.customers(customer_id);


--
-- Name: performances performances_event_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.performances
    ADD CONSTRAINT performances_event_id_fkey FOREIGN KEY (event_id) REFERENCES boxoffice.events(event_id);


--
-- Name: performances performances_venue_id_hall_no_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.performances
    ADD CONSTRAINT performances_venue_id_hall_no_fkey FOREIGN KEY (venue_id, hall_no) REFERENCES boxoffice.halls(venue_id, hall_no);


--
-- Name: price_bands price_bands_performance_id_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.price_bands
    ADD CONSTRAINT price_bands_performance_id_fkey FOREIGN KEY (performance_id) REFERENCES boxoffice.performances(performance_id) ON DELETE CASCADE;


--
-- Name: tickets tickets_order_id_line_no_fkey; Type: FK CONSTRAINT; Schema: boxoffice; Owner: -
--

ALTER TABLE ONLY boxoffice.tickets
    ADD CONSTRAINT tickets_order_id_line_no_fkey FOREIGN KEY (order_id, line_no) REFERENCES boxoffice.order_lines(order_id, line_no) ON DELETE CASCADE;


--
-- Name: customers; Type: ROW SECURITY; Schema: boxoffice; Owner: -
--

ALTER TABLE boxoffice.customers ENABLE ROW LEVEL SECURITY;


--
-- Name: customers customers_change_themselves; Type: POLICY; Schema: boxoffice; Owner: -
--

CREATE POLICY customers_change_themselves ON boxoffice.customers FOR UPDATE USING ((customer_id = boxoffice.current_customer())) WITH CHECK ((customer_id = boxoffice.current_customer()));


--
-- Name: customers customers_see_themselves; Type: POLICY; Schema: boxoffice; Owner: -
--

CREATE POLICY customers_see_themselves ON boxoffice.customers FOR SELECT USING ((customer_id = boxoffice.current_customer()));


--
-- Name: orders; Type: ROW SECURITY; Schema: boxoffice; Owner: -
--

ALTER TABLE boxoffice.orders ENABLE ROW LEVEL SECURITY;


--
-- Name: orders orders_of_current_customer; Type: POLICY; Schema: boxoffice; Owner: -
--

CREATE POLICY orders_of_current_customer ON boxoffice.orders FOR SELECT USING ((customer_id = boxoffice.current_customer()));


--
-- Name: POLICY orders_of_current_customer ON orders; Type: COMMENT; Schema: boxoffice; Owner: -
--

COMMENT ON POLICY orders_of_current_customer ON boxoffice.orders IS 'Nobody''s orders but the customer''s own';


--
-- PostgreSQL database dump complete
--


--
-- Dbmate schema migrations
--

INSERT INTO public.schema_migrations (version) VALUES
    ('20260105091500'),
    ('20260107100000'),
    ('20260112140000'),
    ('20260119103000'),
    ('20260121160000'),
    ('20260202090000'),
    ('20260209113000'),
    ('20260216100000'),
    ('20260218150000'),
    ('20260302093000'),
    ('20260309090000'),
    ('20260316101500'),
    ('20260317101500'),
    ('20260330101500'),
    ('20260413140000'),
    ('20260427090000'),
    ('20260511110000'),
    ('20260526083000');
