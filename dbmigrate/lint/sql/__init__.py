"""Reading SQL: the shape of a statement, made from its tokens."""
