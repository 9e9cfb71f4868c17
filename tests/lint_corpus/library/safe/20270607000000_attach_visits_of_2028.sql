-- migrate:up
ALTER TABLE visits ATTACH PARTITION visits_2028 FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');

-- migrate:down irreversible:true
