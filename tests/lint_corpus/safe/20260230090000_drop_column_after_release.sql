-- migrate:up
-- dbmigrate:ignore L121: no code reads it since release 4.2
ALTER TABLE customers DROP COLUMN note;

-- migrate:down
ALTER TABLE customers ADD COLUMN note text;
