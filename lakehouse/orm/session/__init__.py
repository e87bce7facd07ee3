"""The only writer: what one commit will hold."""
