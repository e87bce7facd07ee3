"""Fetching from the web, with a progress bar, and only where it is allowed."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import IO

OFFLINE = "LAKEHOUSE_OFFLINE"
_LOCAL = ("file", "local", "memory")
_SECONDS = 30
_PIECE = 1024 * 1024


def check_allowed(uri: str) -> None:
    """Refuse an address that is reached over the network, where that is forbidden.

    Raises:
        OSError: It is one, and the network is forbidden.
    """
    # of zip://inside::https://outside only the last one is fetched
    protocol, found, _ = uri.rpartition("::")[2].partition("://")
    forbidden = os.environ.get(OFFLINE, "").lower() in ("1", "true", "yes")
    if forbidden and found and protocol not in _LOCAL:
        raise OSError(f"{OFFLINE} forbids the network")


def stream(address: str, out: IO[bytes], label: str) -> None:
    """Write what an http(s) address holds into an open file.

    Raises:
        OSError: The network is forbidden, out of reach, or gave less than it promised.
        ValueError: It is no such address.
    """
    check_allowed(address)
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address} is no web address")
    try:
        _copy(address, out, label)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise OSError(f"the server says {error.code} {error.reason}") from error


def _copy(address: str, out: IO[bytes], label: str) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with (
        urllib.request.urlopen(address, timeout=_SECONDS) as answer,
        Progress(*columns, TransferSpeedColumn(), transient=True) as bar,
    ):
        size = int(answer.headers.get("Content-Length") or 0)
        task = bar.add_task(f"fetching {label}", total=size or None)
        received = 0
        while data := answer.read(_PIECE):
            out.write(data)
            received += len(data)
            bar.update(task, completed=received)
        if size and received != size:
            raise OSError(f"{received} of {size} bytes came")
