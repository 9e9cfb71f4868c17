"""Scratch servers and databases, and what is tried on them."""
