"""The command line, `lakehouse`."""
