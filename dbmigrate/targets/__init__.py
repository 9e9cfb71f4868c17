"""One command on many databases or schemas: which ones, in which order, and the processes that work on them."""
