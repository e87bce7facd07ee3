"""Lazy immutable queries."""
