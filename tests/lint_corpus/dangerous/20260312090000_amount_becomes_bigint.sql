-- migrate:up
ALTER TABLE orders ALTER COLUMN amount TYPE bigint;
ALTER TABLE customers ALTER COLUMN note TYPE varchar;

-- migrate:down irreversible:true
