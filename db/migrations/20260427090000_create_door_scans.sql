-- Create the log of tickets scanned at the doors, one partition per quarter.
--
-- Purpose: the scanners write some 10,000 rows a night. Whole quarters are
-- detached and archived when the accounts are closed, which no DELETE can match.
-- A date as the partition key: the bounds mean the same in every time zone.
-- The default partition catches what has no quarter yet; it should stay empty.
-- Rollback: drops the table with all partitions, and with them the scans.

-- migrate:up
CREATE TABLE boxoffice.door_scans (
    scanned_on  date NOT NULL,
    ticket_id   uuid NOT NULL REFERENCES boxoffice.tickets (ticket_id),
    scan_no     integer NOT NULL DEFAULT 1 CHECK (scan_no > 0),
    scanned_at  timestamptz NOT NULL DEFAULT now(),
    door        text NOT NULL DEFAULT 'main',
    -- A unique key of a partitioned table must contain the partition key.
    PRIMARY KEY (scanned_on, ticket_id, scan_no)
) PARTITION BY RANGE (scanned_on);

CREATE TABLE boxoffice.door_scans_2026_q1 PARTITION OF boxoffice.door_scans
    FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');
CREATE TABLE boxoffice.door_scans_2026_q2 PARTITION OF boxoffice.door_scans
    FOR VALUES FROM ('2026-04-01') TO ('2026-07-01');
CREATE TABLE boxoffice.door_scans_2026_q3 PARTITION OF boxoffice.door_scans
    FOR VALUES FROM ('2026-07-01') TO ('2026-10-01');
CREATE TABLE boxoffice.door_scans_2026_q4 PARTITION OF boxoffice.door_scans
    FOR VALUES FROM ('2026-10-01') TO ('2027-01-01');
CREATE TABLE boxoffice.door_scans_default PARTITION OF boxoffice.door_scans DEFAULT;

CREATE INDEX door_scans_ticket_idx ON boxoffice.door_scans (ticket_id);
COMMENT ON TABLE boxoffice.door_scans_default IS 'Must stay empty: a row here means "next quarter''s partition is missing"';

-- migrate:down
DROP TABLE boxoffice.door_scans;
