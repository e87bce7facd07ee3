"""Reading one state."""
