-- Create the box office's schema and the tables of the programme.
--
-- Purpose: venues and their halls, events, performances and what a seat costs.
-- Everything lives in a schema of its own, so the database can be shared and a
-- migration never depends on anybody's search_path: every name is qualified.
-- Rollback: drops the tables one by one and the schema without CASCADE. If
-- something else has moved into the schema, it stops instead of deleting it.

-- migrate:up
CREATE SCHEMA boxoffice;
COMMENT ON SCHEMA boxoffice IS 'Limelight''s box office: programme, orders, tickets and the doors';

CREATE TABLE boxoffice.venues (
    venue_id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug        text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]{2,}$'),
    name        text NOT NULL,
    address     jsonb NOT NULL DEFAULT '{}',
    opened_on   date,
    CONSTRAINT venues_address_is_object CHECK (jsonb_typeof(address) = 'object')
);
COMMENT ON TABLE boxoffice.venues IS 'A house we sell for. Its "name" is what''s printed on the ticket.';

CREATE TABLE boxoffice.halls (
    venue_id    uuid NOT NULL REFERENCES boxoffice.venues (venue_id) ON DELETE CASCADE,
    hall_no     smallint NOT NULL,
    name        text NOT NULL,
    capacity    integer NOT NULL CHECK (capacity > 0),
    PRIMARY KEY (venue_id, hall_no),
    UNIQUE (venue_id, name)
);

CREATE TABLE boxoffice.events (
    event_id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title           text NOT NULL CHECK (title <> ''),
    kind            text NOT NULL CHECK (kind IN ('play', 'concert', 'reading', 'festival')),
    running_minutes integer CHECK (running_minutes BETWEEN 1 AND 600),
    details         jsonb NOT NULL DEFAULT '{"language": "en", "note": "Doors don''t reopen after the interval"}'
);
CREATE INDEX events_title_lower_idx ON boxoffice.events (lower(title));

CREATE TABLE boxoffice.performances (
    performance_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    event_id        uuid NOT NULL REFERENCES boxoffice.events (event_id),
    venue_id        uuid NOT NULL,
    hall_no         smallint NOT NULL,
    doors_open_at   timestamp NOT NULL,
    starts_at       timestamp NOT NULL,
    -- A hall belongs to a venue: the key has two columns, and so has the reference.
    FOREIGN KEY (venue_id, hall_no) REFERENCES boxoffice.halls (venue_id, hall_no),
    -- Two performances cannot start in one hall at the same time. Serves as the index of the foreign key above, too.
    UNIQUE (venue_id, hall_no, starts_at),
    CONSTRAINT performances_doors_before_start CHECK (doors_open_at <= starts_at)
);
CREATE INDEX performances_event_id_idx ON boxoffice.performances (event_id);

CREATE TABLE boxoffice.price_bands (
    performance_id  uuid NOT NULL REFERENCES boxoffice.performances (performance_id) ON DELETE CASCADE,
    band            text NOT NULL CHECK (band ~ '^[A-Z]$'),
    price_cents     integer NOT NULL CHECK (price_cents >= 0),
    PRIMARY KEY (performance_id, band)
);

-- migrate:down
DROP TABLE boxoffice.price_bands;
DROP TABLE boxoffice.performances;
DROP TABLE boxoffice.events;
DROP TABLE boxoffice.halls;
DROP TABLE boxoffice.venues;
DROP SCHEMA boxoffice;
