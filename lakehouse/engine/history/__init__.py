"""What was: the log, sweeps, erasure, moves and snapshots."""
