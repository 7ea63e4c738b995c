"""Messages over a socket: a length, then JSON."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

LARGEST = 30_000_000


class Closed(Exception):  # noqa: N818 - an ending, and no error
    """The other side is gone."""


def send(sock: socket.socket, message: Any) -> None:
    data = json.dumps(message).encode()
    sock.sendall(struct.pack(">I", len(data)) + data)


def receive(sock: socket.socket, deadline: float | None = None) -> Any:
    """The next message.

    Raises:
        TimeoutError: it is not there at the deadline (of ``time.monotonic``).
        Closed: there will be none.
        ValueError: it is too long or no JSON.
    """
    (size,) = struct.unpack(">I", _exactly(sock, 4, deadline))
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes; at most {LARGEST}")
    return json.loads(_exactly(sock, size, deadline))


def _exactly(sock: socket.socket, size: int, deadline: float | None) -> bytes:
    data = b""
    while len(data) < size:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
        try:
            more = sock.recv(min(size - len(data), 1 << 20))
        except ConnectionError:
            more = b""
        if not more:
            raise Closed
        data += more
    return data
