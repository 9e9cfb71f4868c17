-- Add 'refunded' to the states of an order.
--
-- Purpose: a refund is not a cancellation; accounting needs to tell them apart.
-- A new enum value cannot be used in the transaction that adds it, so this file
-- adds it and does nothing else.
-- Rollback: PostgreSQL cannot take a value out of an enum, so the type is made
-- anew. Refunded orders become cancelled ones, marked {"refunded": true} in their
-- details, so that the distinction is not lost.

-- migrate:up
ALTER TYPE boxoffice.order_status ADD VALUE 'refunded' AFTER 'paid';

-- migrate:down
UPDATE boxoffice.orders
   SET status = 'cancelled',
       details = details || '{"refunded": true}'
 WHERE status = 'refunded';

ALTER TYPE boxoffice.order_status RENAME TO order_status_with_refunded;
CREATE TYPE boxoffice.order_status AS ENUM ('reserved', 'paid', 'cancelled');
ALTER TABLE boxoffice.orders
    ALTER COLUMN status DROP DEFAULT,
    ALTER COLUMN status TYPE boxoffice.order_status USING status::text::boxoffice.order_status,
    ALTER COLUMN status SET DEFAULT 'reserved';
DROP TYPE boxoffice.order_status_with_refunded;
