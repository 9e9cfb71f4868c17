-- migrate:up
CREATE FUNCTION total_of(customer bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = public, pg_temp
    AS $body$ SELECT sum(amount) FROM orders WHERE customer_id = customer; /* DELETE FROM orders; */ $body$;
REVOKE ALL ON FUNCTION total_of (bigint) FROM PUBLIC;

-- migrate:down
DROP FUNCTION total_of (bigint);
