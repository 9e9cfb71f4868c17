-- migrate:up
CREATE TABLE visits_2025 (LIKE visits);
INSERT INTO visits_2025 SELECT * FROM visits_before;
ALTER TABLE visits ATTACH PARTITION visits_2025 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- migrate:down irreversible:true
