"""Comparing states and merging branches."""
