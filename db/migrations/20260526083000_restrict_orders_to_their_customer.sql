-- Let customers see their own orders only.
--
-- Purpose: the "my orders" page logs in with a role that may read orders. A
-- forgotten WHERE there must not show somebody else's (ticket BOX-402). The page
-- says who is logged in with SET LOCAL boxoffice.customer_id = '...'; without it,
-- no row is visible.
-- The owner of the tables is not restricted, so migrations, pg_dump and the back
-- office work as before.
-- Rollback: drops the policies and switches row security off.

-- migrate:up
CREATE FUNCTION boxoffice.current_customer() RETURNS uuid
LANGUAGE sql STABLE AS
$$ SELECT NULLIF(current_setting('boxoffice.customer_id', true), '')::uuid $$;

ALTER TABLE boxoffice.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY orders_of_current_customer ON boxoffice.orders
    FOR SELECT TO PUBLIC
    USING (customer_id = boxoffice.current_customer());

ALTER TABLE boxoffice.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY customers_see_themselves ON boxoffice.customers
    FOR SELECT TO PUBLIC
    USING (customer_id = boxoffice.current_customer());
CREATE POLICY customers_change_themselves ON boxoffice.customers
    FOR UPDATE TO PUBLIC
    USING (customer_id = boxoffice.current_customer())
    WITH CHECK (customer_id = boxoffice.current_customer());

COMMENT ON POLICY orders_of_current_customer ON boxoffice.orders IS 'Nobody''s orders but the customer''s own';

-- migrate:down
DROP POLICY customers_change_themselves ON boxoffice.customers;
DROP POLICY customers_see_themselves ON boxoffice.customers;
ALTER TABLE boxoffice.customers DISABLE ROW LEVEL SECURITY;
DROP POLICY orders_of_current_customer ON boxoffice.orders;
ALTER TABLE boxoffice.orders DISABLE ROW LEVEL SECURITY;
DROP FUNCTION boxoffice.current_customer();
