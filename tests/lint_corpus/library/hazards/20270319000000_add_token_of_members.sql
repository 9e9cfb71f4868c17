-- migrate:up
ALTER TABLE members ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();

-- migrate:down irreversible:true
