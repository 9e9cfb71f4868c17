"""The version of the program, where every module can import it from."""

__version__ = "0.1.0"
