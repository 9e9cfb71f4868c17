-- migrate:up
INSERT INTO countries (code, name) VALUES ('de', 'Germany'), ('se', 'Sweden; formerly "Svea rike"')
    ON CONFLICT (code) DO UPDATE SET name = excluded.name;

-- migrate:down
DELETE FROM countries WHERE code IN ('de', 'se');
