-- Let unpaid reservations lapse after 48 hours.
--
-- Purpose: seats held by orders that are never paid go back on sale.
-- The deadline is filled in only where there is none yet; orders that are paid or
-- cancelled have none. Hours, not days: '2 days' would be 47 or 49 hours when the
-- clocks change, depending on the session's time zone.
-- Locking: as in add_order_status; the CHECK is proven on the way.
-- Rollback: drops the column. Deadlines follow from placed_at, so only those that
-- were changed by hand are lost.
-- dbmigrate:ignore-file L105 L115: a few thousand orders, as in add_order_status

-- migrate:up
ALTER TABLE boxoffice.orders
    ADD COLUMN reserved_until timestamptz,
    ADD CONSTRAINT orders_deadline_after_placed CHECK (reserved_until > placed_at);

UPDATE boxoffice.orders
   SET reserved_until = placed_at + INTERVAL '48 hours'
 WHERE status = 'reserved'
   AND reserved_until IS NULL;

-- migrate:down
ALTER TABLE boxoffice.orders
    DROP CONSTRAINT orders_deadline_after_placed,
    DROP COLUMN reserved_until;
