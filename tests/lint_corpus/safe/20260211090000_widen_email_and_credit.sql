-- migrate:up
ALTER TABLE customers
    ALTER COLUMN email TYPE character varying(100),
    ALTER COLUMN credit TYPE numeric(12, 2);

-- migrate:down irreversible:true
