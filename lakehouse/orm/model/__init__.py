"""Declarations: what a registry says of its table."""
