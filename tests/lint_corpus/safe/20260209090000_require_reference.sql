-- The CHECK constraint of the base proves it: nothing is read.
-- migrate:up
ALTER TABLE orders ALTER COLUMN reference SET NOT NULL;

-- migrate:down
ALTER TABLE orders ALTER COLUMN reference DROP NOT NULL;
