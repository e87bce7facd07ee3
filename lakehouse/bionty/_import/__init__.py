"""From a source to a registry."""
