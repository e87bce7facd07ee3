"""Fetching from the web, with a progress bar, and only where it is allowed."""

from __future__ import annotations

import http.client
import os
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from typing import IO
from urllib.parse import unquote

from lakehouse.io.progress import tracked
from lakehouse.io.uris import READ_ONLY, end_of, parsed, scheme_of
from lakehouse.text.redaction import harmless

OFFLINE = "LAKEHOUSE_OFFLINE"
_LOCAL = ("file", "memory")
_SECONDS = 30
_PIECE = 1024 * 1024


def check_allowed(uri: str) -> None:
    """Refuse an address that is reached over the network, where that is forbidden.

    Raises:
        OSError: It is one, and the network is forbidden.
    """
    forbidden = os.environ.get(OFFLINE, "").lower() in ("1", "true", "yes")
    if forbidden and scheme_of(end_of(uri)) not in _LOCAL:
        raise OSError(f"{OFFLINE} forbids the network")


def stream(address: str, out: IO[bytes], label: str) -> None:
    """Write what an http(s) address holds into an open file.

    Raises:
        OSError: The network is forbidden, out of reach, or gave less than it promised.
        ValueError: It is no such address.
    """
    check_allowed(address)
    if scheme_of(address) not in READ_ONLY:
        raise ValueError(f"{address} is no web address")
    try:
        _copy(address, out, label)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise OSError(f"the server says {error.code} {error.reason}") from harmless(error)
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from harmless(error)


def _request(address: str) -> urllib.request.Request | str:
    """The request for an address, with its login in a header that no redirection is sent."""
    given = parsed(address)
    if not given.login:
        return address
    request = urllib.request.Request(f"{given.scheme}://{given.full}")
    user, _, password = given.login.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    request.add_unredirected_header("Authorization", f"Basic {b64encode(pair).decode()}")
    return request


def _copy(address: str, out: IO[bytes], label: str) -> None:
    with urllib.request.urlopen(_request(address), timeout=_SECONDS) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
        received = 0
        with tracked(f"fetching {label}", size or None, sys.stderr.isatty()) as advance:
            while data := answer.read(_PIECE):
                out.write(data)
                received += len(data)
                if advance is not None:
                    advance(len(data))
        if size and received != size:
            raise OSError(f"{received} of {size} bytes came")
