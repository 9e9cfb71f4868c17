-- migrate:up
CREATE TABLE events_2028 PARTITION OF events FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');
CREATE INDEX events_2028_what_idx ON events_2028 (what);

-- migrate:down
DROP TABLE events_2028;
