"""Addresses of Postgres catalogs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_CONNECT_SECONDS = "10"


@dataclass(frozen=True)
class PostgresUrl:
    """A catalog's address.

    Attributes:
        dsn: The URL for libpq.
        schema: The database schema that the lake fills; None for the search path's first.
        shown: The address for messages, without user and password.
    """

    dsn: str
    schema: str | None
    shown: str

    @classmethod
    def parse(cls, url: str) -> PostgresUrl:
        """Read `postgresql://user:password@host:port/database?schema=name&…`.

        `postgres://` and SQLAlchemy's `postgresql+psycopg://` are the same.
        """
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        schema = query.pop("schema", None)
        query.setdefault("connect_timeout", _CONNECT_SECONDS)
        query.setdefault("application_name", "lakehouse")
        dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query), ""))
        host = parts.netloc.rpartition("@")[2] or query.get("host", "localhost")
        name = unquote(parts.path.lstrip("/")) or query.get("dbname", "")
        shown = f"{name!r} on {unquote(host)}"
        return cls(dsn, schema, f"{shown}, schema {schema!r}" if schema else shown)

    def __str__(self) -> str:
        return self.shown
