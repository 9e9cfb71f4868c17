-- migrate:up
CREATE TABLE holds (id bigint PRIMARY KEY, member_id bigint NOT NULL REFERENCES members (id), book_id bigint);
CREATE INDEX holds_member_idx ON holds (member_id);
CREATE TRIGGER holds_recorded BEFORE INSERT ON holds FOR EACH ROW EXECUTE FUNCTION record_loan();
ALTER TABLE holds DISABLE TRIGGER holds_recorded;
ALTER TABLE holds ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON holds FROM PUBLIC;
INSERT INTO holds (id, member_id) VALUES (1, 1);

-- migrate:down irreversible:true
