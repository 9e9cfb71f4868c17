-- migrate:up
ALTER TABLE loans ADD COLUMN fined boolean;
CREATE TABLE fines (loan_id bigint PRIMARY KEY);
INSERT INTO fines SELECT id FROM loans WHERE returned_at IS NULL;

-- migrate:down irreversible:true
