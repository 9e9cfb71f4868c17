-- Keep a history of every order's status, and count its versions.
--
-- Purpose: support asks "who cancelled this, and when?" several times a day; and
-- two clerks who edit one order must not overwrite each other, so an UPDATE can
-- say "... AND row_version = 7".
-- The state at the time of the migration is recorded as each order's first event.
-- Rollback: drops the triggers before their functions, then the history.
-- dbmigrate:ignore-file L100 L109: the copy of the orders takes milliseconds

-- migrate:up
CREATE TABLE boxoffice.order_events (
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    uuid NOT NULL REFERENCES boxoffice.orders (order_id) ON DELETE CASCADE,
    happened_at timestamptz NOT NULL DEFAULT now(),
    change      text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX order_events_order_idx ON boxoffice.order_events (order_id, happened_at DESC);

INSERT INTO boxoffice.order_events (order_id, happened_at, change, details)
SELECT order_id,
       COALESCE(cancelled_at, paid_at, placed_at),
       format('%s (before the history)', status),
       jsonb_build_object('order_no', order_no)
  FROM boxoffice.orders
 ORDER BY order_no;

ALTER TABLE boxoffice.orders ADD COLUMN row_version integer NOT NULL DEFAULT 1;

CREATE FUNCTION boxoffice.count_row_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.row_version := OLD.row_version + 1;
    RETURN NEW;
END;
$$;

CREATE FUNCTION boxoffice.record_order_status() RETURNS trigger
LANGUAGE plpgsql AS $function$
DECLARE
    before text := 'new';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := OLD.status;
    END IF;
    -- The names are qualified: a trigger runs with the search_path of whoever fires it.
    INSERT INTO boxoffice.order_events (order_id, change, details)
    VALUES (
        NEW.order_id,
        format('%s -> %s', before, NEW.status),
        jsonb_build_object('order_no', NEW.order_no, 'by', session_user)
    );
    RETURN NULL;  -- the result of an AFTER trigger is ignored
END;
$function$;

CREATE TRIGGER orders_count_row_version
    BEFORE UPDATE ON boxoffice.orders
    FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION boxoffice.count_row_version();

CREATE TRIGGER orders_record_status_insert
    AFTER INSERT ON boxoffice.orders
    FOR EACH ROW
    EXECUTE FUNCTION boxoffice.record_order_status();

CREATE TRIGGER orders_record_status_update
    AFTER UPDATE OF status ON boxoffice.orders
    FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION boxoffice.record_order_status();

COMMENT ON TRIGGER orders_record_status_update ON boxoffice.orders IS 'Writes "old -> new" to order_events; doesn''t fire for other columns';

-- migrate:down
DROP TRIGGER orders_record_status_update ON boxoffice.orders;
DROP TRIGGER orders_record_status_insert ON boxoffice.orders;
DROP TRIGGER orders_count_row_version ON boxoffice.orders;
DROP FUNCTION boxoffice.record_order_status();
DROP FUNCTION boxoffice.count_row_version();
ALTER TABLE boxoffice.orders DROP COLUMN row_version;
DROP TABLE boxoffice.order_events;
