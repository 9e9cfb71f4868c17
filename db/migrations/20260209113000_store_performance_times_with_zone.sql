-- Store the times of performances with their time zone.
--
-- Purpose: the web shop runs in UTC and showed every summer performance an hour
-- late (ticket BOX-158). What was entered is British local time; from now on the
-- columns hold points in time.
-- Both columns change in one statement: the table is rewritten once, and the CHECK
-- that compares them never sees two different types.
-- Locking: ACCESS EXCLUSIVE while the table is rewritten. It has a few thousand
-- rows, so that is milliseconds; a big table would get a second column instead, as
-- customer_full_name_expand, _backfill and _contract show.
-- Rollback: back to local time. Exact, but for the hour that the clocks repeat in
-- October, in which no performance starts.
-- dbmigrate:ignore-file L112: a few thousand rows, see above

-- migrate:up
ALTER TABLE boxoffice.performances
    ALTER COLUMN doors_open_at TYPE timestamptz USING doors_open_at AT TIME ZONE 'Europe/London',
    ALTER COLUMN starts_at TYPE timestamptz USING starts_at AT TIME ZONE 'Europe/London';

-- migrate:down
ALTER TABLE boxoffice.performances
    ALTER COLUMN doors_open_at TYPE timestamp USING doors_open_at AT TIME ZONE 'Europe/London',
    ALTER COLUMN starts_at TYPE timestamp USING starts_at AT TIME ZONE 'Europe/London';
