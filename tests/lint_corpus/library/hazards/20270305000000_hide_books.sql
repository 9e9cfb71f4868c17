-- migrate:up
REVOKE SELECT ON TABLE books FROM PUBLIC;

-- migrate:down irreversible:true
