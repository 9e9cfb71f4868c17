-- Reject malformed email addresses and impossible amounts.
--
-- Ticket: BOX-347 (a discount larger than the price was paid out in cash)
-- Purpose: the application's checks did not hold; the database's will.
-- Two steps, each in a transaction of its own. The first adds the constraints as
-- NOT VALID: a short lock, and no new bad row from here on. The second reads the
-- existing rows under a lock that lets sales go on. In one transaction the second
-- would run under the first one's lock, and nothing would be won: transaction:false
-- on the second pair keeps the two apart.
-- The check of the amounts was typed in by hand on production in the night of the
-- incident, so it may be there already.
-- Rollback: the second step's makes the constraints unproven again, the first
-- step's drops them.

-- migrate:up
ALTER TABLE boxoffice.customers
    ADD CONSTRAINT customers_email_format
    CHECK (email ~* '^[a-z0-9._%+-]+@([a-z0-9-]+\.)+([a-z]{2,}|xn--[a-z0-9]+)$') NOT VALID;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint
         WHERE conrelid = 'boxoffice.order_lines'::regclass
           AND conname = 'order_lines_amounts_possible'
    ) THEN
        ALTER TABLE boxoffice.order_lines
            ADD CONSTRAINT order_lines_amounts_possible
            CHECK (quantity > 0 AND unit_price_cents >= 0 AND discount_cents BETWEEN 0 AND quantity * unit_price_cents)
            NOT VALID;
    END IF;
END
$$;

-- migrate:down
ALTER TABLE boxoffice.order_lines DROP CONSTRAINT order_lines_amounts_possible;
ALTER TABLE boxoffice.customers DROP CONSTRAINT customers_email_format;

-- migrate:up transaction:false
ALTER TABLE boxoffice.customers VALIDATE CONSTRAINT customers_email_format;
ALTER TABLE boxoffice.order_lines VALIDATE CONSTRAINT order_lines_amounts_possible;

-- migrate:down transaction:false
-- There is no "INVALIDATE": dropping a constraint and adding it as NOT VALID is the same.
ALTER TABLE boxoffice.order_lines
    DROP CONSTRAINT order_lines_amounts_possible,
    ADD CONSTRAINT order_lines_amounts_possible
    CHECK (quantity > 0 AND unit_price_cents >= 0 AND discount_cents BETWEEN 0 AND quantity * unit_price_cents)
    NOT VALID;
ALTER TABLE boxoffice.customers
    DROP CONSTRAINT customers_email_format,
    ADD CONSTRAINT customers_email_format
    CHECK (email ~* '^[a-z0-9._%+-]+@([a-z0-9-]+\.)+([a-z]{2,}|xn--[a-z0-9]+)$') NOT VALID;
