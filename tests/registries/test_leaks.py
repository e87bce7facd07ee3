"""Credentials that are given in addresses reach no table, file, log, message or error."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import threading
from pathlib import Path

import pytest

import lakehouse as ln
from lakehouse import bionty as bt
from lakehouse.config import settings
from lakehouse.errors import LakehouseError
from lakehouse.orm.model.context import set_process_lake

USER, SECRET, TOKEN = "PLANTEDuser", "PLANTEDsecret", "PLANTEDtoken"
CSV = b"a,b\n1,2\n"
OBO = b"format-version: 1.4\nontology: cl\n[Term]\nid: CL:0000001\nname: cell\n"


class Guarded(http.server.BaseHTTPRequestHandler):
    """Answers who has the login or the token."""

    def do_GET(self):
        login = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        known = self.headers.get("Authorization") == f"Basic {login}" or TOKEN in self.path
        body = OBO if ".obo" in self.path else CSV
        self.send_response(200 if known and "missing" not in self.path else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        """Nothing is printed."""


@pytest.fixture(scope="module")
def host():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def doors(host):
    """Calls that are given credentials, by name."""
    login, signed = f"http://{USER}:{SECRET}@{host}", f"http://{host}"
    query = f"?v=2&token={TOKEN}&X-Amz-Signature={TOKEN}"
    return {
        "s3 root": lambda: ln.Storage(root=f"s3://{USER}:{SECRET}@bucket/a").save(),
        "s3 root, slash": lambda: ln.Storage(root=f"s3://{USER}:x/{SECRET}@bucket/b").save(),
        "memory root": lambda: ln.Storage(root=f"memory://{USER}:{SECRET}@host/c").save(),
        "http root": lambda: ln.Storage(root=f"{login}/data{query}").save(),
        "field of a root": lambda: ln.Storage.get(root=f"https://{USER}:{SECRET}@nowhere/x"),
        "artifact, login": lambda: ln.Artifact(f"{login}/one.csv", key="one.csv").save(),
        "artifact, signed": lambda: ln.Artifact(f"{signed}/two.csv{query}", key="2.csv").save(),
        "artifact in place": lambda: ln.Artifact(f"{login}/data/three.csv").save(),
        "artifact, missing": lambda: ln.Artifact(f"{login}/missing.csv", key="m.csv").save(),
        "artifact, refused": lambda: ln.Artifact(f"{signed}/x.csv?key={TOKEN}", key="x.tsv").save(),
        "artifact, nowhere": lambda: ln.Artifact(
            f"s3://{USER}:{SECRET}@no-such-bucket-at-all/x.csv", key="n.csv"
        ).save(),
        "artifact, scheme": lambda: ln.Artifact(f"sftp://{USER}:{SECRET}@h/x.csv", key="s.csv"),
        "reference": lambda: ln.Reference(name="r", url=f"https://{USER}:{SECRET}@lab.org/{query}").save(),
        "project": lambda: ln.Project(name="p", url=f"https://lab.org/x{query}").save(),
        "transform": lambda: ln.Transform(
            key="t.py", reference=f"https://{USER}:{SECRET}@git.org/r{query}", reference_type="url"
        ).save(),
        "run": lambda: ln.Run(
            ln.Transform(key="u.py").save(), reference=f"https://{SECRET}@git.org/x"
        ).save(),
        "source": lambda: bt.Source(
            entity="bionty.CellType", name="mine", version="1", organism="all",
            url=f"https://{USER}:{SECRET}@lab.org/cl.obo{query}",
            source_website=f"https://lab.org/?api_key={TOKEN}",
        ).save(),
        "ontology": lambda: bt.CellType.import_source(f"{login}/cl.obo{query}"),
        "ontology, missing": lambda: bt.CellType.import_source(f"{login}/missing.obo{query}"),
        "ontology, table": lambda: bt.Gene.import_source(f"{signed}/missing.csv{query}", organism="human"),
        "message": lambda: message(f"from https://{USER}:{SECRET}@lab.org/x{query}"),
        "other lake": lambda: ln.DB(f"s3://{USER}:{SECRET}@bucket/lake?x={TOKEN}"),
        "lake": lambda: ln.setup.init(storage=f"https://{USER}:{SECRET}@{host}/lake?token={TOKEN}"),
        "database": lambda: ln.setup.init(
            storage="other", db=f"postgresql://{USER}:{SECRET}@127.0.0.1:1/x?password={TOKEN}"
        ),
        "database, down": lambda: ln.setup.init(
            storage="other", db=f"postgresql://me:{SECRET}@127.0.0.1:1/x"
        ),
    }  # fmt: skip


def message(text):
    with ln.transaction(text):
        ln.ULabel(name="from there").save()


@pytest.fixture(scope="module")
def home(tmp_path_factory, host):
    """A lake in a folder of its own, and what each call said and gave."""
    folder = tmp_path_factory.mktemp("leaks")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("LAKEHOUSE_CACHE_DIR", str(folder / "cache"))
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            patch.setenv(name, f"http://{host}")
        patch.setattr(settings, "_cache_dir", None)
        lake = ln.setup.init(storage="lake", modules="bionty")
        told = {}
        for name, call in doors(host).items():
            said = io.StringIO()
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), lake:
                try:
                    given = call()
                    said.write(f"\ngave {given!r} {getattr(given, '_values', '')}")
                    if hasattr(given, "describe"):
                        given.describe()
                except LakehouseError as error:
                    said.write(f"\nrefused {error} {error!r} {error.args} {error.__cause__}")
            told[name] = said.getvalue()
        set_process_lake(None)
        yield folder, lake, told
    settings._cache_dir = None


PLANTED = (USER, SECRET, TOKEN)


@pytest.mark.parametrize("name", list(doors("")))
def test_nothing_is_said(home, name):
    said = home[2][name]
    if name == "database, down":
        assert "refused" in said
    assert not [p for p in PLANTED if p in said], said


def test_what_was_given_was_used_and_is_kept_without(home, host):
    _, lake, told = home
    for name in ("artifact, login", "artifact, signed", "artifact in place", "ontology"):
        assert "refused" not in told[name], told[name]
    assert "aren't stored" in told["artifact, login"]
    with lake:
        assert ln.Reference.get(name="r").url == "https://lab.org/?v=2"
        assert ln.Transform.get(key="t.py").reference == "https://git.org/r?v=2"
        assert {s.root for s in ln.Storage.filter()} >= {"s3://bucket/a", f"http://{host}/data"}
        assert ln.Artifact.get(key="three.csv").storage.root == f"http://{host}/data"
        assert bt.CellType.get(name="cell").source.url == f"http://{host}/cl.obo?v=2"


def test_nothing_is_stored(home):
    folder, lake, _ = home
    lake.close()
    found = [
        (str(path.relative_to(folder)), planted)
        for path in folder.rglob("*")
        for planted in PLANTED
        if planted in str(path) or (path.is_file() and planted.encode() in path.read_bytes())
    ]
    assert found == []
    log = "\n".join(map(repr, lake.log()))
    assert not [p for p in PLANTED if p in log]
    assert "from https://" in log
    for table in lake.state.tables:
        rows = str(lake.state.arrow(table).to_pylist())
        assert not [p for p in PLANTED if p in rows], table
    assert Path(folder, "lake").is_dir()
