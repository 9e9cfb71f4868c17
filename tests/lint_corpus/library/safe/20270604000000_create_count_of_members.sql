-- migrate:up
CREATE FUNCTION count_of_members() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM members';
REVOKE EXECUTE ON FUNCTION count_of_members() FROM PUBLIC;

-- migrate:down irreversible:true
