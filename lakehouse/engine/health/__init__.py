"""Check, repair and salvage of a lake's tables."""
