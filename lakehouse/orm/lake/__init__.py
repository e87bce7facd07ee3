"""One lake, put together."""
