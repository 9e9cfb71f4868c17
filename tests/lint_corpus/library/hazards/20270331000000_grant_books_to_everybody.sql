-- migrate:up
GRANT ALL ON books TO PUBLIC;

-- migrate:down irreversible:true
