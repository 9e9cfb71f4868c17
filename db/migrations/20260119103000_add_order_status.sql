-- Give every order a status.
--
-- Purpose: until now the state of an order had to be guessed from two
-- timestamps. An enum keeps misspelt states out.
-- Locking: a column with a constant default is added without rewriting the table
-- (PostgreSQL 11 and later), but its lock is held until the UPDATE is done. With a
-- few thousand orders that is no matter; for many rows, fill the column in a
-- migration of its own, in batches, as customer_full_name_backfill does.
-- Rollback: drops the column, then its type. The timestamps still tell the state.
-- dbmigrate:ignore-file L115: a few thousand orders, see above

-- migrate:up
CREATE TYPE boxoffice.order_status AS ENUM ('reserved', 'paid', 'cancelled');

ALTER TABLE boxoffice.orders
    ADD COLUMN status boxoffice.order_status NOT NULL DEFAULT 'reserved';

UPDATE boxoffice.orders
   SET status = (CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled' ELSE 'paid' END)::boxoffice.order_status
 WHERE cancelled_at IS NOT NULL
    OR paid_at IS NOT NULL;

COMMENT ON COLUMN boxoffice.orders.status IS 'Set by the application; a ''reserved'' order holds its seats until it is paid';

-- migrate:down
ALTER TABLE boxoffice.orders DROP COLUMN status;
DROP TYPE boxoffice.order_status;
