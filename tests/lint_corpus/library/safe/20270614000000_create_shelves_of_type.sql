-- migrate:up
CREATE TYPE shelf AS (code text, floor smallint);
CREATE TABLE shelves OF shelf (code WITH OPTIONS PRIMARY KEY, floor WITH OPTIONS NOT NULL DEFAULT 0);
CREATE INDEX ON shelves (floor);
ALTER TABLE shelves ALTER COLUMN floor SET NOT NULL;

-- migrate:down irreversible:true
