"""The command line: parse, call one method of the Python API, render, exit. The only home of typer."""
