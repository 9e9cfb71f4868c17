"""The rules, by families. A rule is a generator function; `registry` declares what it is called and how bad it is."""
