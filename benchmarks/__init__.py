"""Benchmarks: every promised figure, measured side by side with the peers in one run.

`python -m benchmarks.run --help` says how to run them.
"""
