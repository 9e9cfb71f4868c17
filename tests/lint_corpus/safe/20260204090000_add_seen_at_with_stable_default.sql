-- migrate:up
ALTER TABLE orders
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN details jsonb NOT NULL DEFAULT jsonb_build_object('source', 'web'),
    ADD COLUMN fee numeric(10, 2) NOT NULL DEFAULT 0::numeric(10, 2);

-- migrate:down
ALTER TABLE orders DROP COLUMN fee, DROP COLUMN details, DROP COLUMN seen_at;
