"""The edges of Fableverse: command line, settings, the flow from idea to book, errors and their exit codes."""

__version__ = "0.1.0"
