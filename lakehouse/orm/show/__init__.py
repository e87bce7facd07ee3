"""Tables and pictures of records."""
