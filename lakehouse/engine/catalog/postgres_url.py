"""Addresses of Postgres catalogs, read strictly: nothing in one may send us elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from lakehouse.errors import InvalidArgument
from lakehouse.text.printable import printable_line

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
_CONNECT_SECONDS = "10"
_EXPECTED = "postgresql://user@host:5432/database?schema=name"
# what a URL may say of a connection beside where it goes and who comes
_PARAMETERS = frozenset(
    [
        "schema",
        "connect_timeout",
        "application_name",
        "client_encoding",
        "target_session_attrs",
        "sslmode",
        "sslrootcert",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "gssencmode",
        "channel_binding",
        "require_auth",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "load_balance_hosts",
    ]
)
# who and where may be said as parameters if the URL doesn't say it in its usual places
_PLACES = ("host", "port", "user", "password", "dbname")
_DEFAULT_PORT = "5432"


@dataclass(frozen=True)
class PostgresUrl:
    """A catalog's address.

    Attributes:
        dsn: The URL for libpq.
        schema: The database schema that the lake fills; None for the search path's first.
        shown: The address for messages, without user and password.
        server: The server, which credentials are sent to: `postgresql://host:port`.
        has_password: Whether the URL has a password of its own.
    """

    dsn: str = field(repr=False)
    schema: str | None
    shown: str
    server: str
    has_password: bool

    @classmethod
    def parse(cls, url: str) -> PostgresUrl:
        """Read `postgresql://user:password@host:port/database?schema=name&…`.

        `postgres://` and SQLAlchemy's `postgresql+psycopg://` are the same.

        Raises:
            InvalidArgument: It can't be read, or has parameters that aren't used here.
        """
        parts, query = _split(url)
        login, _, place = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        host, port = _host(place)
        given = {"host": host, "port": port, "user": user, "password": password}
        given["dbname"] = parts.path.lstrip("/")
        for name in _PLACES:
            if name in query and given[name]:
                raise _refused(f"the {name} twice: in its place, and as ?{name}=…")
        host = host or query.get("host", "")
        port = port or query.get("port", _DEFAULT_PORT)
        if not re.fullmatch(r"[0-9]{1,5}(,[0-9]{1,5})*", port):
            raise _refused("a port that is no number")
        schema = query.pop("schema", None)
        # else a server that doesn't answer is waited for as long as the kernel does
        query.setdefault("connect_timeout", _CONNECT_SECONDS)
        query.setdefault("application_name", "lakehouse")
        dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query), ""))
        database = unquote(given["dbname"]) or query.get("dbname", "")
        shown = f"{database!r} on {unquote(place or query.get('host', 'localhost'))}"
        if schema:
            shown = f"{shown}, schema {schema!r}"
        server = f"postgresql://{quote(unquote(host).lower(), safe='/:,[]')}:{port}"
        return cls(dsn, schema, shown, server, bool(password or query.get("password")))

    def __str__(self) -> str:
        return printable_line(self.shown)


def _split(url: str) -> tuple[SplitResult, dict[str, str]]:
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _refused("a form that can't be read") from error
    if parts.scheme not in SCHEMES or not url.isprintable() or parts.fragment:
        raise _refused("another scheme, a fragment or characters that can't be printed")
    query = dict(pairs)
    unknown = sorted(set(query) - _PARAMETERS - set(_PLACES))
    # what is given twice may mean one to us and the other to libpq
    if unknown or len(query) < len(pairs):
        names = ", ".join(ascii(n)[1:-1] for n in unknown) or "one that is given twice"
        raise InvalidArgument(
            "This database URL has a parameter that isn't used here.",
            found=names,
            expected=", ".join(sorted(_PARAMETERS)),
        )
    return parts, query


def _host(place: str) -> tuple[str, str]:
    """Host and port of what follows the login."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]@]*)(?::([0-9]*))?", place)
    if found is None:
        raise _refused("a host that can't be read")
    return found[1], found[2] or ""


def _refused(found: str) -> InvalidArgument:
    return InvalidArgument("This database URL can't be used.", found=found, expected=_EXPECTED)
