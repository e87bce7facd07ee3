"""Readers of ontology files."""
