"""The peer's side: one measure of lamindb, run by lamindb's interpreter in an empty folder.

    python peer_lamindb.py MEASURE '{"option": value}'

The last line of its output is a JSON object of figures in seconds. It imports nothing of ours.
"""

import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(action, times, warm=1):
    for _ in range(warm):
        action()
    return statistics.median(timed(action) for _ in range(times))


def lamin_init(storage="./store"):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([str(BIN / "lamin"), "init", "--storage", storage], check=True, **quiet)


def connect():
    """lamindb connected to the instance of this folder, without asking its hub for anything."""
    import lamindb as ln

    ln.setup.settings.instance._is_on_hub = False
    ln.settings.verbosity = "error"
    return ln


def started():
    lamin_init()
    return connect()


def fill(table, rows, **columns):
    """Copy one saved row many times below the ORM, with new ids, uids and the given columns."""
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 1")
        names = [c[0] for c in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
        marks = ",".join(["%s"] * len(names))
        width = len(row["uid"])

        def values(i):
            new = {"id": 1000 + i, "uid": f"{i:0{width}d}"}
            new.update({n: f(i) for n, f in columns.items()})
            return [new.get(n, row[n]) for n in names]

        with transaction.atomic():
            statement = f"INSERT INTO {table} VALUES ({marks})"
            for start in range(0, rows, 1000):
                part = range(start, min(start + 1000, rows))
                cursor.executemany(statement, [values(i) for i in part])


def await_line(process, word):
    """Wait until another process says a word; lamindb's own messages are passed over."""
    for line in process.stdout:
        if line.strip() == word:
            return
    raise RuntimeError("the other process ended early")


def startup(times=5):
    code = "import time; t = time.perf_counter(); import lamindb; print(time.perf_counter() - t)"

    def once():
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(done.stdout.strip().splitlines()[-1])

    inits = []
    lamin_init("./warm")
    for i in range(max(times // 2, 1)):
        inits.append(timed(lambda i=i: lamin_init(f"./store{i}")))
    once()
    return {
        "import": statistics.median(once() for _ in range(times)),
        "init": statistics.median(inits),
    }


def save(times=50):
    ln = started()
    labels = [timed(lambda i=i: ln.ULabel(name=f"label {i}").save()) for i in range(times)]
    paths = []
    for i in range(times):
        paths.append(Path(f"file{i}.txt"))
        paths[-1].write_text(f"content {i}\n" * 100)
    artifacts = [timed(lambda p=p: ln.Artifact(p, key=f"a/{p.name}").save()) for p in paths]
    return {"label": statistics.median(labels), "artifact": statistics.median(artifacts)}


def labels(rows=10_000):
    ln = started()
    ln.ULabel(name="warm").save()
    return {"labels": timed(lambda: ln.save([ln.ULabel(name=f"label {i}") for i in range(rows)]))}


def from_dir(files=1_000):
    ln = started()
    folder = Path("files")
    folder.mkdir()
    for i in range(files):
        (folder / f"f{i:05d}.txt").write_text(f"content {i}\n" * 20)

    def register():
        found = ln.Artifact.from_dir(folder, key="files")
        ln.save(found)

    seconds = timed(register)
    assert ln.Artifact.filter(key__startswith="files/").count() == files
    return {"from_dir": seconds}


def reads(rows=100_000, times=30):
    ln = started()
    ln.ULabel(name="first").save()
    fill("lamindb_ulabel", rows, name=lambda i: f"label {i:07d}")
    prefix = f"label {rows // 2:07d}"[:-3]
    step = rows // times

    def prefixed():
        frame = ln.ULabel.filter(name__startswith=prefix).to_dataframe(limit=None)
        assert len(frame) == min(1000, rows), len(frame)

    uids = iter([f"{i * step + 7:08d}" for i in range(times + 1)])
    out = {
        "get": median(lambda: ln.ULabel.get(next(uids)), times),
        "prefix": median(prefixed, 10),
        "frame": median(lambda: ln.ULabel.filter().to_dataframe(limit=None), 3),
    }
    other = subprocess.Popen(
        [sys.executable, __file__, "other", "{}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    await_line(other, "ready")
    firsts = []
    for i in range(10):
        other.stdin.write(f"other {i}\n")
        other.stdin.flush()
        await_line(other, "saved")
        firsts.append(timed(lambda i=i: ln.ULabel.filter(name=f"other {i}").one()))
    other.stdin.close()
    other.wait()
    return {**out, "refresh": statistics.median(firsts)}


def queries(rows=100_000, times=7):
    ln = started()
    ln.ULabel(name="first").save()
    fill("lamindb_ulabel", rows, name=lambda i: f"label {i:07d}")
    Path("table.csv").write_text("a,b\n1,2\n")
    ln.Artifact("table.csv", key="first.csv").save()
    fill(
        "lamindb_artifact",
        rows,
        key=lambda i: f"study/file_{i:07d}.parquet",
        hash=lambda i: f"hash{i}",
    )
    wanted = "label 0054321" if rows > 54_321 else "label 0004321"

    def lookup():
        assert getattr(ln.ULabel.lookup(), wanted.replace(" ", "_")).name == wanted

    def frame():
        assert len(ln.Artifact.filter().to_dataframe(limit=None)) >= rows

    def contains():
        ln.ULabel.filter(name__contains=wanted[-4:]).to_dataframe(limit=None)

    def search():
        assert ln.ULabel.search(wanted)[0].name == wanted

    return {
        "search": median(search, times),
        "lookup": median(lookup, 1, warm=0),
        "frame": median(frame, 3),
        "contains": median(contains, times),
    }


def other():
    """A second process that saves a label for every name it reads."""
    ln = connect()
    print("ready", flush=True)
    for line in sys.stdin:
        ln.ULabel(name=line.strip()).save()
        print("saved", flush=True)
    return {}


MEASURES = {f.__name__: f for f in (startup, save, labels, from_dir, reads, queries, other)}


def main():
    name, options = sys.argv[1], json.loads(sys.argv[2])
    out = MEASURES[name](**options)
    packages = ("lamindb", "lamindb-core", "django")
    out["versions"] = {}
    for package in packages:
        try:
            out["versions"][package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    out["versions"]["python (peer)"] = sys.version.split()[0]
    print(json.dumps(out), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
