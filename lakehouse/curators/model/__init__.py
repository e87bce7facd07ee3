"""Datasets declared as pydantic models."""
