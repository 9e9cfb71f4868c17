-- migrate:up
CREATE SCHEMA reporting;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
INSERT INTO customers (id, email, name) VALUES (3, 'jane.doe@gmail.com', 'AKIAIOSFODNN7SAMPLE9');
CREATE FUNCTION reporting.total() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM orders $$;
ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');

-- migrate:down irreversible:true
