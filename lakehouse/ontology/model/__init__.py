"""Ontologies as tables."""
