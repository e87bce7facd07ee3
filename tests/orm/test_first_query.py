"""What the first query of a process makes: no database that nobody asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lakehouse.registries import ULabel

SCRIPT = """
import sys
import duckdb
import lakehouse as ln
made = []
connect = duckdb.connect
duckdb.connect = lambda *args, **kwargs: made.append(args) or connect(*args, **kwargs)
used = []
for name in ("extract_statements", "sql", "query", "execute"):
    def spy(*args, name=name, real=getattr(duckdb, name), **kwargs):
        used.append(name)
        return real(*args, **kwargs)
    setattr(duckdb, name, spy)
with ln.Lake.open(sys.argv[1]) as lake:
    assert lake.sql(sys.argv[2]).fetchall() == [(1,)]
print(len(made), used)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["SELECT count(*) FROM ulabel", "SELECT count(*) FROM ulabel WHERE name <> 'copy'"]
)
def test_the_first_query_makes_one_database(lake, query):
    ULabel(name="one").save()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, lake.root, query],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LAKEHOUSE_VERBOSITY": "error"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1 []"
