"""Collections: versioned, unchangeable sets of artifacts."""

from lakehouse.registries.collection.record import Collection

__all__ = ["Collection"]
