"""The command line, `lakehouse`. One module per group of commands; heavy imports only in use."""

from lakehouse.cli.app import app

__all__ = ["app"]
