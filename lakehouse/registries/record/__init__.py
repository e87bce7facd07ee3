"""Records and sheets of them."""
