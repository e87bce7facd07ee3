"""Ontologies from web addresses, served by this machine."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lakehouse.errors import SourceUnavailable, StorageError
from lakehouse.ontology import manifest, read
from lakehouse.ontology.sources.obtain import obtain

GO_ON = threading.Event()
OBO = b"format-version: 1.4\n[Term]\nid: X:1\nname: x\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/slow.obo":
            return self.trickle()
        status = {"/x.obo": 200, "/cut.obo": 200}.get(path, 404)
        self.send_response(status)
        size = len(OBO) + (10 if path == "/cut.obo" else 0)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(OBO)
        return None

    def trickle(self):
        """The first half at once, the rest when somebody said so."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(OBO)))
        self.end_headers()
        self.wfile.write(OBO[:20])
        self.wfile.flush()
        GO_ON.wait(30)
        with suppress(OSError):
            self.wfile.write(OBO[20:])

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_read(address):
    assert read(f"{address}/x.obo", keep=False).terms["name"].to_pylist() == ["x"]


@pytest.mark.parametrize("path", ["missing.obo", "cut.obo"])
def test_what_cant_be_fetched_is_one_error(address, path):
    with pytest.raises(StorageError, match=path) as error:
        read(f"{address}/{path}", keep=False)
    assert "download the file" in str(error.value)


def test_the_network_can_be_forbidden(address, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    with pytest.raises(StorageError) as error:
        read(f"{address}/x.obo", keep=False)
    assert "LAKEHOUSE_OFFLINE forbids" in str(error.value)


def test_other_protocols_are_forbidden_too(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    for uri in (
        *("s3://bucket/x.obo", "ftp://host/x.obo", "zip://x.obo::https://host/x.zip"),
        *("HTTP://[::1]:9/x.obo", "http://[::1]:9/x.obo", "ZIP://x.obo::S3A://bucket/x.zip"),
    ):
        with pytest.raises(StorageError) as error:
            read(uri, keep=False)
        assert "LAKEHOUSE_OFFLINE forbids" in str(error.value)


def test_schemes_in_any_case(address):
    assert read(address.replace("http", "HTTP") + "/x.obo", keep=False).terms.num_rows == 1


@pytest.fixture
def release(address, tmp_path, monkeypatch):
    """A manifest whose release this machine serves, and an empty cache."""
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))

    def made(path: str, **more: object):
        served = {"version": "served", "url": f"{address}/{path}?{{version}}", "offline": ()}
        return manifest("doid").model_copy(update={"sha256": None, **served, **more})

    return made


def test_what_is_fetched_is_kept(release, monkeypatch):
    found = obtain(release("x.obo", sha256=hashlib.sha256(OBO).hexdigest()))
    assert found.path.read_bytes() == OBO
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    assert obtain(release("x.obo")).path == found.path


def test_another_file_than_promised_is_not_kept(release, tmp_path):
    with pytest.raises(SourceUnavailable) as error:
        obtain(release("x.obo", sha256="0" * 64))
    assert "SHA-256" in str(error.value)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_a_cache_that_cant_be_written_keeps_nothing_longer_than_the_process(
    release, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "file"))
    found = obtain(release("x.obo"))
    assert found.path.read_bytes() == OBO
    obtain(release("x.obo", name="another"))
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    assert obtain(release("x.obo")) == found
    assert capsys.readouterr().err.count("can't be written") == 1


@pytest.mark.faults
def test_a_killed_download_leaves_nothing_that_counts(release, address, tmp_path):
    GO_ON.clear()
    entry = release("slow.obo")
    code = (
        "import sys; from lakehouse.ontology.sources.manifest import Manifest;"
        "from lakehouse.ontology.sources.obtain import obtain;"
        "obtain(Manifest.model_validate_json(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, entry.model_dump_json()]
    downloads = tmp_path / "cache" / "ontologies" / "downloads"
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while not list(downloads.glob(".tmp-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert [p.name[:5] for p in downloads.iterdir()] == [".tmp-"]
    (rest,) = downloads.iterdir()
    os.utime(rest, (time.time() - 25 * 3600,) * 2)
    GO_ON.set()
    assert obtain(entry).path.read_bytes() == OBO
    assert not rest.exists()
