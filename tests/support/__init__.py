"""What the tests stand on: servers, databases, projects, and the real command line."""
