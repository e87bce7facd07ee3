"""Addresses, folders and small files."""
