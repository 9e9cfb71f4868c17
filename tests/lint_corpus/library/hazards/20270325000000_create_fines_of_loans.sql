-- migrate:up
CREATE TABLE fines (loan_id bigint PRIMARY KEY REFERENCES loans (id));
INSERT INTO fines SELECT id FROM loans WHERE returned_at IS NULL;

-- migrate:down irreversible:true
