-- migrate:up
ALTER TABLE customers ALTER COLUMN note SET NOT NULL;

-- migrate:down
ALTER TABLE customers ALTER COLUMN note DROP NOT NULL;
