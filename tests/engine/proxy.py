"""A TCP proxy before a Postgres server, whose connections break when a test says so."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Forwards connections to a server that listens on a Unix socket.

    Args:
        url: The server's URL, with its socket's folder as `host`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._target = f"{query.pop('host')[0]}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        rest = "&".join(f"{k}={v[0]}" for k, v in query.items()).replace(" ", "%20")
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}?{rest}&sslmode=disable"
        self._pattern: bytes | None = None
        self._forward = True
        self._for_good = False
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def break_at(self, pattern: bytes, *, forward: bool, for_good: bool = False) -> None:
        """Break the connection at the client's next message that contains a pattern.

        Args:
            pattern: The bytes.
            forward: Whether the server still gets the message.
            for_good: Whether later connections are refused too.
        """
        self._pattern, self._forward, self._for_good = pattern, forward, for_good

    def __enter__(self) -> Proxy:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._refuse()
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join()

    def _refuse(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._sockets += [client, server]
            for args in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pump, args=args)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if from_client and self._pattern is not None and self._pattern in data:
                    self._pattern = None
                    if self._for_good:
                        self._refuse()
                    _end(source)  # the client is gone before it can hear an answer
                    if self._forward:
                        target.sendall(data)
                        # the server answers once it has committed
                        target.settimeout(5)
                    else:
                        _end(target)
                    return
                target.sendall(data)
        _end(source)
        _end(target)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
