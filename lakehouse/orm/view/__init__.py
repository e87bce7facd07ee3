"""What one operation sees: a state, a branch's edits and the open transaction."""
