"""Extensions that come with the package; others are packages of their own.

Each is declared in `pyproject.toml` as an entry point of the group `lakehouse.extensions`, as
everybody's are: see `lakehouse.extension`.
"""
