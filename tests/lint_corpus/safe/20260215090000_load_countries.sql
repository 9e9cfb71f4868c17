-- migrate:up
COPY countries (code, name) FROM stdin;
fr	France; DELETE FROM orders;
no	Norway -- TRUNCATE orders;
\.

-- migrate:down
DELETE FROM countries WHERE code IN ('fr', 'no');
