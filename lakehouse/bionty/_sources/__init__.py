"""Public sources of terms."""
