-- Make a customer's email address unique, whatever its case.
--
-- Purpose: "Maya.Rao@" and "maya.rao@" are one person (ticket BOX-131).
-- Locking: CONCURRENTLY lets sales go on while the index is built. It cannot run
-- inside a transaction, hence transaction:false and nothing else in the section.
-- If two customers share an address, the build fails and leaves an invalid index
-- behind, which has to be dropped before the next attempt.
-- Rollback: drops the index, again without blocking anybody.

-- migrate:up transaction:false
CREATE UNIQUE INDEX CONCURRENTLY customers_email_lower_key ON boxoffice.customers (lower(email));

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY boxoffice.customers_email_lower_key;
