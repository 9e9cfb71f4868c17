-- migrate:up
CREATE TABLE books (id bigint PRIMARY KEY, isbn text NOT NULL, shelf text NOT NULL, title text NOT NULL, pages integer);
CREATE UNIQUE INDEX books_isbn_key ON books (isbn);
CREATE UNIQUE INDEX books_isbn_shelf_key ON books (isbn, shelf);
GRANT SELECT ON books TO PUBLIC;
INSERT INTO books VALUES (1, '9780000000001', 'A', 'One', 100), (2, '9780000000002', 'B', 'Two', 200);

-- migrate:down irreversible:true
