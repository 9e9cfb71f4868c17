-- migrate:up
CREATE FUNCTION loans_of(member bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER
    AS 'SELECT count(*) FROM loans WHERE member_id = member';

-- migrate:down irreversible:true
