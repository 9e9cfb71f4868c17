"""One module per command, of the command's name. Each parses, calls one method of the API, and renders its answer."""
