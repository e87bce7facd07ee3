"""Addresses of files and folders: local paths told from URIs, both checked, in one way of writing.

This is the one place that decides what an address is. Only protocols of the table below are
known; fsspec knows many more, some of which run what a file says (`reference`), unpack or
chain others (`simplecache::…`), or reach other machines' shells (`ssh`). One that is needed
is named in the environment: `LAKEHOUSE_PROTOCOLS=hdfs,oci`.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from lakehouse._lazy import require
from lakehouse.config import notify
from lakehouse.errors import InvalidArgument
from lakehouse.text.redaction import redacted, split_login, without_credentials

STORES = frozenset({"file", "s3", "gs", "az", "abfs", "abfss", "memory"})
"""Protocols that lakes and artifacts can be stored by."""
READ_ONLY = frozenset({"http", "https"})
"""Protocols that artifacts and sources can be read by."""
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "local": "file"}
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://(.*)", re.DOTALL)
_CHAIN = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*::")
_IPV6 = re.compile(r"://(?:[^/@]*@)?\[[0-9A-Fa-f:.]+\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_AZURE = ("azure.core.exceptions", ("AzureError",))
_CLIENT_ERRORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "s3": ("botocore.exceptions", ("BotoCoreError", "ClientError")),
    "http": ("aiohttp", ("ClientError",)),
    "https": ("aiohttp", ("ClientError",)),
    "gs": ("gcsfs.retry", ("HttpError",)),
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
}
_HINT = "set LAKEHOUSE_PROTOCOLS to the protocols that you need beside the usual ones"


@dataclass(frozen=True)
class Address:
    """A URI in its parts.

    Attributes:
        scheme: Its protocol, in the usual spelling.
        place: What follows `://`, without login, secret parameters and closing slash.
        login: `user:password`, if it has one.
        full: What follows `://`, without the login, but with all parameters.
    """

    scheme: str
    place: str
    login: str = field(default="", repr=False)
    full: str = field(default="", repr=False)

    @property
    def text(self) -> str:
        """The address as it is stored and told: without credentials."""
        return f"{self.scheme}://{self.place}"

    @property
    def given(self) -> str:
        """The address with its credentials, for the call that was given them."""
        return f"{self.scheme}://{self.login}{'@' if self.login else ''}{self.full}"

    @property
    def has_credentials(self) -> bool:
        """Whether a login or secret parameters were given with it."""
        return bool(self.login) or self.full.strip("/") != self.place

    @property
    def root(self) -> str:
        """The address as the root of a folder, which has no query."""
        # names in a bucket may have a question mark
        query = r"[?#]" if self.scheme in READ_ONLY else r"\?[^/?=]*="
        place = re.split(query, self.place, maxsplit=1)[0]
        return f"{self.scheme}://{place.rstrip('/')}"


def protocols() -> frozenset[str]:
    """All protocols that may be used: the usual ones, and those that the environment names."""
    more = os.environ.get("LAKEHOUSE_PROTOCOLS", "")
    return STORES | READ_ONLY | ({p.strip().lower() for p in more.split(",")} - {""})


@functools.lru_cache(maxsize=1024)
def scheme_of(path: str) -> str:
    """The scheme of a URI in its usual spelling; `"file"` for a plain path.

    Example:
        >>> scheme_of("s3a://bucket/x"), scheme_of("/data/x")
        ('s3', 'file')
    """
    found = _URI.match(path)
    if found is None:
        return "file"
    scheme = found[1].lower()
    return _ALIASES.get(scheme, scheme)


def type_of(root: str) -> str:
    """The kind of a storage location: `"local"`, or the scheme of its root."""
    scheme = scheme_of(root)
    return "local" if scheme == "file" else scheme


@functools.lru_cache(maxsize=1024)
def is_uri(path: str) -> bool:
    """Whether a text is a URI, be it of this machine: `file:///x`; a path is none."""
    return _URI.match(path) is not None


def is_remote(path: str) -> bool:
    """Whether a path is on another file system than the machine's own."""
    return scheme_of(path) != "file" or is_chain(path)


def is_chain(path: str) -> bool:
    """Whether fsspec would take a text for several addresses: `simplecache::s3://…`."""
    if "::" not in path:
        return False
    path = _IPV6.sub("://", path, count=1)
    head, uri, _ = path.partition("://")
    return bool(uri and "::" in path and (_CHAIN.match(head) or _URI.match(path)))


def end_of(uri: str) -> str:
    """What is reached in the end: the last address of a chain, any other address itself.

    Example:
        >>> end_of("zip://a.csv::https://lab.org/x.zip"), end_of("http://[::1]/x")
        ('https://lab.org/x.zip', 'http://[::1]/x')
    """
    return uri.rpartition("::")[2] if is_chain(uri) else uri


def parsed(uri: str) -> Address:
    """A URI in its parts.

    Raises:
        InvalidArgument: It is a chain of several, has control characters, no place, or a
            protocol that isn't known.
    """
    shown = ascii(redacted(uri))
    if _CONTROL.search(uri):
        raise InvalidArgument("An address can't have control characters.", found=shown)
    if is_chain(uri):
        raise InvalidArgument(
            f"{shown} is a chain of addresses, which isn't followed.",
            expected="one address, such as s3://bucket/folder",
        )
    found = _URI.match(uri)
    if found is None:
        raise InvalidArgument(f"{shown} is no address.", expected="s3://bucket/folder")
    scheme = scheme_of(uri)
    if scheme not in protocols():
        raise InvalidArgument(
            f"{shown} has a protocol that isn't used here.",
            found=f"{scheme}://",
            expected=", ".join(f"{p}://" for p in sorted(STORES | READ_ONLY)),
            hint=_HINT,
        )
    login, full = split_login(scheme, found[2])
    place = without_credentials(f"{scheme}://{full}").partition("://")[2].strip("/")
    return Address(scheme, place, login, full)


def tell_unkept(uri: str) -> None:
    """Say that the credentials in a URI, if there are any, aren't kept."""
    if not is_remote(uri) or not parsed(uri).has_credentials:
        return
    ways = {
        "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "gs": "GOOGLE_APPLICATION_CREDENTIALS",
        "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }
    scheme = scheme_of(uri)
    way = ways.get("az" if scheme.startswith("abfs") else scheme)
    notify(
        f"the credentials in {normal(uri)} serve this call and aren't stored; "
        + (f"set {way} for later ones" if way else "later calls are made without them"),
        "warning",
    )


def text_of(path: str | os.PathLike[str]) -> str:
    """A path, URI or UPath as text."""
    if isinstance(path, str):
        return path
    if getattr(path, "protocol", ""):  # a UPath; os.fspath would drop the scheme or refuse
        return str(path)
    return os.fspath(path)


def name_of(path: str) -> str:
    """The last part of a path or URI, without a query.

    Example:
        >>> name_of("https://lab.org/a/x.csv?token=a/b.c"), name_of("/data/runs/")
        ('x.csv', 'runs')
    """
    if _URI.match(path):
        path = re.split(r"[?#]", path)[0]  # a signature may have dots and slashes in it
    return path.rstrip("/").rpartition("/")[2]


def local_path(path: str) -> str:
    """The absolute path that a local path or `file://` URI means.

    Raises:
        InvalidArgument: It names another machine, or has a character that no path can have.
    """
    if is_uri(path) and not is_remote(path):
        parts = urlsplit(path)
        if parts.netloc not in ("", "localhost"):
            raise InvalidArgument(
                f"{redacted(path)!r} is no file of this machine.",
                found=f"the host {redacted(parts.netloc)!r}",
                expected="file:///folder/file",
            )
        path = unquote(parts.path)
    if "\0" in path:
        raise InvalidArgument("A path can't have a NUL character.", found=ascii(path))
    return os.path.abspath(os.path.expanduser(path))


def normal(path: str) -> str:
    """A path or URI written in one way: absolute or with scheme, without a closing slash.

    Credentials are taken off.

    Raises:
        InvalidArgument: It is no address that can be used.
    """
    return parsed(path).text if is_remote(path) else local_path(path)


def root_of(path: str) -> str:
    """The root of a lake or a storage location, in one way of writing.

    Raises:
        InvalidArgument: It is no address that can be used, or has control characters.
    """
    if is_remote(path):
        return parsed(path).root
    if _CONTROL.search(path) or _CHAIN.match(path):
        raise InvalidArgument(
            "This can't be the root of a lake or a storage location.",
            found=ascii(path),
            expected="a folder, or an address such as s3://bucket/folder",
        )
    return local_path(path)


@functools.cache
def client_errors(scheme: str) -> tuple[type[Exception], ...]:
    """What the client of a protocol raises besides `OSError`."""
    module, names = _CLIENT_ERRORS.get(scheme, ("", ()))
    return tuple(getattr(require(module, f"reach {scheme}://"), name) for name in names)


def remote_filesystem(uri: str, options: Mapping[str, Any] | None = None) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path there.

    A login in the URI serves this call; credentials are better given by the environment.

    Args:
        uri: One address.
        options: fsspec options, e.g. `endpoint_url`, `key` and `secret` for S3.

    Raises:
        InvalidArgument: It is no address that can be used.
    """
    address = parsed(uri)
    given = dict(options or {})
    full = f"{address.scheme}://{address.full}"
    if address.scheme not in READ_ONLY:
        full = full.rstrip("/")
        if address.login and address.scheme == "s3":
            key, _, secret = address.login.partition(":")
            given = {"key": unquote(key), "secret": unquote(secret), **given}
    elif address.login:
        full = address.given
    fsspec = require("fsspec", "reach remote storage")
    # not by url_to_fs, which looks for chains
    kind = fsspec.get_filesystem_class(address.scheme)
    fs = fsspec.filesystem(address.scheme, **{**kind._get_kwargs_from_urls(full), **given})
    return fs, str(fs._strip_protocol(full))
