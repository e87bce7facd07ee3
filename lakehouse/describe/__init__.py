"""The parts of descriptions; `annotation.describe` puts them together."""
