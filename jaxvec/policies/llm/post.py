"""One POST of JSON that ends in time, whatever the server does, and what its reply says beside an answer."""

import http.client
import json
import math
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LONGEST_BYTES = 1 << 20  # of an answer; a matrix of 60 numbers takes about 1 kB
LONGEST_REASON = 300  # characters of a server's reason that are shown


class Reply(NamedTuple):
    """What a server answers.

    Attributes:
        status: of HTTP.
        content: its first bytes, up to one more than `LONGEST_BYTES`.
        retry_after: the header of that name, or an empty text.
    """

    status: int
    content: bytes
    retry_after: str = ""


def post(url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout_s: float) -> Reply:
    """Sends JSON and reads the reply.

    Args:
        url: http or https, with its query.
        body: what JSON can hold.
        headers: beside those that say what is sent.
        timeout_s: for all of it, however slowly the server goes on [s].
    Raises:
        TimeoutError: there is no whole reply in time.
        OSError, http.client.HTTPException: as the library does.
    """
    where = urlsplit(url)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    connection = kind(where.hostname or "", where.port, timeout=timeout_s)
    expired = threading.Event()
    opened: list[socket.socket] = []

    def expire() -> None:
        expired.set()
        for sock in opened:
            _cut(sock)

    timer = threading.Timer(timeout_s, expire)
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        opened.append(connection.sock)  # a connection forgets its socket once a reply has begun
        if expired.is_set():
            raise TimeoutError
        sent = {"Content-Type": "application/json", "Connection": "close", **headers}
        target = f"{where.path}?{where.query}" if where.query else where.path
        connection.request("POST", target, json.dumps(body).encode(), sent)
        reply = connection.getresponse()
        whole = Reply(reply.status, reply.read(LONGEST_BYTES + 1), reply.getheader("Retry-After") or "")
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set():
            raise TimeoutError from None
        raise error
    finally:
        timer.cancel()
        connection.close()
    if expired.is_set():
        raise TimeoutError
    return whole


def _cut(sock: socket.socket) -> None:
    """Wake whoever waits for the socket."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def seconds_told(retry_after: str) -> float | None:
    """How long a header `Retry-After` asks to wait, by a number of seconds or a date [s]; None where it says neither."""
    with suppress(ValueError):
        seconds = float(retry_after)
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    with suppress(ValueError, TypeError, OverflowError):
        until = parsedate_to_datetime(retry_after)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max((until - datetime.now(UTC)).total_seconds(), 0.0)
    return None


def reason(content: bytes) -> str:
    """Why a server refuses, in its own words on one line: of an error in JSON its message, else the text; empty if there is none.

    Args:
        content: of the reply.
    """
    words: Any = content[:LONGEST_BYTES].decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        words = json.loads(words)
    for name in ("error", "message", "detail"):  # {"error": {"message": "..."}}, and what others make of it
        if isinstance(words, dict) and words.get(name):
            words = words[name]
    text = words if isinstance(words, str) else json.dumps(words)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
