"""Values of features on records."""
