"""The command line: parse, call one method of the migrator, render, exit. The only home of typer."""
