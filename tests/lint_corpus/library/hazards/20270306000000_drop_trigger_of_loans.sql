-- migrate:up
DROP TRIGGER loans_recorded ON loans;

-- migrate:down irreversible:true
