"""SOMA experiments."""
