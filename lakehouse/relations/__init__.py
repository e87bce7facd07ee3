"""Annotation: links between records, feature values, and schema snapshots of artifacts."""
