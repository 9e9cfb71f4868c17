-- migrate:up transaction:false
VACUUM FULL orders;
CLUSTER orders USING orders_customer_idx;
ALTER TABLE countries SET UNLOGGED;

-- migrate:down
-- There is nothing to undo here.
