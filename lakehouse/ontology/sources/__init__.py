"""Where ontology files come from."""
