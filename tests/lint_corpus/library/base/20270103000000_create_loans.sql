-- migrate:up
CREATE TABLE loans (
    id           bigint PRIMARY KEY,
    member_id    bigint NOT NULL REFERENCES members (id),
    book_id      bigint NOT NULL REFERENCES books (id),
    lent_at      timestamptz NOT NULL DEFAULT now(),
    returned_at  timestamptz
);
CREATE INDEX loans_member_idx ON loans (member_id);
CREATE INDEX loans_book_idx ON loans (book_id);
CREATE UNIQUE INDEX loans_identity_idx ON loans (id, member_id);
ALTER TABLE loans REPLICA IDENTITY USING INDEX loans_identity_idx;
INSERT INTO loans (id, member_id, book_id) VALUES (1, 1, 1), (2, 2, 2);

-- migrate:down irreversible:true
