-- Index orders for the clean-up job and for a customer's own list.
--
-- Purpose: the job looks for lapsed reservations every minute; "my orders" shows
-- the newest first. The first index holds only the few orders that are still
-- open. The second is the index of the foreign key to customers as well.
-- Locking: neither build blocks sales. Each statement runs and is recorded on its
-- own, outside a transaction: if the second fails, the first stays done.
-- Rollback: drops both, the last one first.

-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY orders_open_reservations_idx
    ON boxoffice.orders (reserved_until)
    WHERE status = 'reserved';

CREATE INDEX CONCURRENTLY orders_customer_newest_idx
    ON boxoffice.orders (customer_id, placed_at DESC);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY boxoffice.orders_customer_newest_idx;

DROP INDEX CONCURRENTLY boxoffice.orders_open_reservations_idx;
