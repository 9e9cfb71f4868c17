"""The rules, one module per family. A rule is a generator function with a decorator of `rule`."""
