-- migrate:up
CREATE TABLE copies (
    isbn   text NOT NULL UNIQUE,
    shelf  text NOT NULL,
    FOREIGN KEY (isbn, shelf) REFERENCES books (isbn, shelf)
);

-- migrate:down irreversible:true
