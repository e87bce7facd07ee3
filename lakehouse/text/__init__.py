"""Texts that are shown: safe for terminals and browsers, and without credentials."""
