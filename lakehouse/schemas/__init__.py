"""Schemas as validation takes them."""
