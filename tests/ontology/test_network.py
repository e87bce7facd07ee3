"""Ontologies from web addresses, served by this machine."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from lakehouse.errors import StorageError
from lakehouse.ontology import read

OBO = b"format-version: 1.4\n[Term]\nid: X:1\nname: x\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"/x.obo": 200, "/cut.obo": 200}.get(self.path, 404)
        self.send_response(status)
        size = len(OBO) + (10 if self.path == "/cut.obo" else 0)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(OBO)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    server = HTTPServer(("127.0.0.1", 0), Handler)
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
