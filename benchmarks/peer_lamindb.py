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


def feature_values(i):
    import datetime

    day = datetime.date(2024, 1, 1 + i % 28)
    values = {"score": i / 7, "count": i, "note": f"note {i}", "day": day}
    return {**values, "condition": f"condition {i % 50}"}


def features(rows=10_000, times=7):
    """set_values, and filters over artifacts whose links and values are copied below the ORM."""
    import datetime

    from django.db import connection, transaction

    ln = started()
    ln.settings.creation.search_names = False
    labels = [ln.ULabel(name=f"condition {i}").save() for i in range(50)]
    dtypes = {"score": float, "count": int, "note": str, "day": datetime.date}
    known = {n: ln.Feature(name=n, dtype=t).save() for n, t in dtypes.items()}
    known["condition"] = ln.Feature(name="condition", dtype=ln.ULabel).save()
    Path("one.txt").write_text("one")
    artifact = ln.Artifact("one.txt", key="one.txt").save()
    seconds = [
        timed(lambda i=i: artifact.features.set_values(feature_values(i))) for i in range(40)
    ]
    fill("lamindb_artifact", rows, key=lambda i: f"many/{i}.txt", hash=lambda i: None)

    def copied(table, count, **columns):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} LIMIT 1")
            names = [c[0] for c in cursor.description]
            row = dict(zip(names, cursor.fetchone(), strict=True))
            marks = ",".join(["%s"] * len(names))
            with transaction.atomic():
                made = [
                    [
                        ({"id": 10_000 + i} | {n: f(i) for n, f in columns.items()}).get(n, row[n])
                        for n in names
                    ]
                    for i in range(count)
                ]
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", made)

    kinds = [known[n] for n in dtypes]
    copied(
        "lamindb_jsonvalue",
        rows * 4,
        feature_id=lambda i: kinds[i % 4].id,
        hash=lambda i: f"h{i}",
        value=lambda i: json.dumps(feature_values(i // 4)[kinds[i % 4].name], default=str),
    )
    copied(
        "lamindb_artifactjsonvalue",
        rows * 4,
        artifact_id=lambda i: 1000 + i // 4,
        jsonvalue_id=lambda i: 10_000 + i,
    )
    copied(
        "lamindb_artifactulabel",
        rows,
        artifact_id=lambda i: 1000 + i,
        ulabel_id=lambda i: labels[i % 50].id,
    )
    middle, score = rows // 2, known["score"]
    queries = {
        "text": lambda: list(ln.Artifact.filter(note=f"note {middle}")),
        "number": lambda: list(ln.Artifact.filter(count__gte=rows - 100)),
        "label": lambda: list(ln.Artifact.filter(condition="condition 7", count__lt=1_000)),
        "predicate": lambda: list(ln.Artifact.filter(score > (rows - 100) / 7)),
        "day": lambda: ln.Artifact.filter(day="2024-01-05").count(),
    }
    found = {"set_values": statistics.median(seconds[10:]), "rows": rows}
    for name, query in queries.items():
        assert query(), name
        found[f"filter {name}"] = median(query, times)
    return found


def sheet(rows=10_000):
    """Record.from_dataframe of 4 features into a sheet, and the sheet as a data frame."""
    import pandas as pd

    ln = started()
    ln.settings.creation.search_names = False
    kind = ln.Record(name="Experiments", is_type=True).save()
    for i in range(10):
        ln.Record(name=f"E{i}", type=kind).save()
    dtypes = {"a": float, "b": int, "c": str, "e": kind}
    members = [ln.Feature(name=n, dtype=t).save() for n, t in dtypes.items()]
    schema = ln.Schema(members, name="sheet").save()
    target = ln.Record(name="Sheet", is_type=True, schema=schema).save()
    data = {
        "a": [i / 7 for i in range(rows)],
        "b": range(rows),
        "c": [f"t{i}" for i in range(rows)],
    }
    more = {"e": [f"E{i % 10}" for i in range(rows)], "name": [f"R {i}" for i in range(rows)]}
    frame = pd.DataFrame(data | more)
    saved = timed(lambda: ln.Record.from_dataframe(frame, type=target).save())
    return {"from_dataframe": saved, "to_dataframe": median(target.to_dataframe, 3)}


def compare(n, distinct):
    """validate, inspect and standardize of many values against terms with synonyms."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    init = [str(BIN / "lamin"), "init", "--storage", "./store", "--modules", "bionty"]
    subprocess.run(init, check=True, **quiet)
    ln = connect()
    import bionty as bt

    ln.settings.creation.search_names = False
    ln.save([bt.CellType(name=f"name {i}", synonyms=f"syn {i}") for i in range(distinct)])
    data = [f"{'syn' if i % 2 else 'name'} {i % distinct}" for i in range(n)]
    quietly = {"mute": True, "from_source": False}
    return {
        "standardize": median(lambda: bt.CellType.standardize(data, **quietly), 3),
        "validate": median(lambda: bt.CellType.validate(data, mute=True), 3),
        "inspect": median(lambda: bt.CellType.inspect(data, **quietly), 3),
    }


class TooSlow(BaseException):
    """Something took longer than it is waited for; nobody on the way may catch this."""


def limited(action, limit):
    """Call something that is given up after `limit` seconds, with TooSlow."""
    import signal

    def give_up(*_):
        raise TooSlow

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    try:
        return action()
    finally:
        signal.alarm(0)


def curate(genes, sizes, times=3, limit=60):
    """AnnData of several sizes; the registry holds genes that are copied below the ORM.

    What takes longer than `limit` seconds is given up, and has the figure None.
    """
    import anndata
    import numpy as np
    import pandas as pd

    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    init = [str(BIN / "lamin"), "init", "--storage", "./store", "--modules", "bionty"]
    subprocess.run(init, check=True, **quiet)
    ln = connect()
    import bionty
    import bionty as bt

    ln.settings.creation.search_names = False
    ids = [f"ENSG{i:011}" for i in range(genes)]
    human = bt.Organism(name="human", ontology_id="NCBITaxon:9606").save()
    # it would look the organism of gene ids up in a table that it downloads
    bionty._organism.infer_organism_from_ensembl_id = lambda *_: human
    # the first id of all is no copy's
    bt.Gene(symbol="G", ensembl_gene_id="ENSG99999999999", organism=human).save()
    fill(
        "bionty_gene",
        genes,
        symbol=lambda i: f"G{i}",
        ensembl_gene_id=lambda i: ids[i],
        hash=lambda i: f"hash{i}",
    )
    for name in ("B cell", "T cell"):
        bt.CellType(name=name).save()
    obs = ln.Schema([ln.Feature(name="cell_type", dtype=bt.CellType).save()]).save()
    names = ln.Schema(itype=bt.Gene.ensembl_gene_id, maximal_set=True).save()
    schema = ln.Schema(slots={"obs": obs, "var.T": names}, otype="AnnData").save()
    found = {}
    for cells, wide in sizes:
        kinds = pd.Categorical.from_codes(np.arange(cells) % 2, ["B cell", "T cell"])
        adata = anndata.AnnData(
            np.zeros((cells, wide), dtype="float32"),
            obs=pd.DataFrame({"cell_type": kinds}, index=[str(i) for i in range(cells)]),
            var=pd.DataFrame(index=ids[:wide]),
        )

        def validate(a=adata):
            limited(lambda: ln.curators.AnnDataCurator(a, schema).validate(), limit)

        few = wide < 10_000  # more take it most of a minute
        try:
            taken = median(validate, times if few else 1, warm=1 if few else 0)
        except TooSlow:
            taken = None
        found[f"{cells}x{wide}"] = taken
    return found


def ontology(terms=3_000):
    """import_source of a data frame with a hierarchy, and the ancestors of its last terms."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    init = [str(BIN / "lamin"), "init", "--storage", "./store", "--modules", "bionty"]
    subprocess.run(init, check=True, **quiet)
    ln = connect()
    import bionty as bt
    import pandas as pd

    ln.settings.creation.search_names = False
    ids = [f"CL:{i:07}" for i in range(terms)]
    frame = pd.DataFrame(
        {
            "ontology_id": ids,
            "name": [f"cell type {i}" for i in range(terms)],
            "definition": None,
            "synonyms": [f"type no {i}" for i in range(terms)],
            "parents": [[ids[i // 2]] if i else [] for i in range(terms)],
        }
    )
    # by a name it would be asked for in a bucket
    row = bt.Source(entity="bionty.CellType", name="mine", version="1", organism="all").save()
    source = bt.CellType.add_source(row, df=frame)
    seconds = timed(lambda: bt.CellType.import_source(source))
    assert bt.CellType.filter(name__startswith="cell type ").count() == terms
    last = list(bt.CellType.filter().order_by("-ontology_id")[:100])
    walk = timed(lambda: [t.query_parents().count() for t in last])
    return {"import": seconds, "ancestors of 100": walk}


def other():
    """A second process that saves a label for every name it reads."""
    ln = connect()
    print("ready", flush=True)
    for line in sys.stdin:
        ln.ULabel(name=line.strip()).save()
        print("saved", flush=True)
    return {}


MEASURES = {
    f.__name__: f
    for f in (
        startup,
        save,
        labels,
        from_dir,
        reads,
        queries,
        features,
        sheet,
        compare,
        curate,
        ontology,
        other,
    )
}


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
