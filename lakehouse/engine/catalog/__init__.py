"""Catalogs: one pointer per table, unique keys and a commit log."""
