-- migrate:up
CREATE TABLE members (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL UNIQUE,
    name       text,
    shown_as   text,
    level      smallint NOT NULL DEFAULT 0,
    joined_on  date NOT NULL DEFAULT current_date
);
INSERT INTO members (email, name) VALUES ('ann@example.com', 'Ann'), ('bo@example.com', NULL);

-- migrate:down irreversible:true
