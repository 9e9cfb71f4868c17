"""The plugin for pytest: a database with the migrations of the project for each test.

`plugin` is what pytest loads at every start of every test session where dbmigrate is installed. It imports nothing of
what needs a database before a fixture is used.
"""
