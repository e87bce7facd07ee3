"""What a value means among the terms of a registry."""
