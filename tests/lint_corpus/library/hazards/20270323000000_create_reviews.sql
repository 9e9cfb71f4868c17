-- migrate:up
CREATE TABLE reviews (id bigint PRIMARY KEY, loan_id bigint NOT NULL REFERENCES loans (id));

-- migrate:down irreversible:true
