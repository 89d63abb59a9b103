"""Requests over HTTP whose responses are read piece by piece, each with its moment."""

import http.client
import json
import time
from dataclasses import dataclass

from address import NoConnection, milliseconds, open_connection
from websocket import Refused, Silence


@dataclass(frozen=True)
class Answer:
    """A response with its head and, where it was read, its body."""

    status: int
    headers: dict
    """By names in lower case."""
    body: bytes
    ms: float
    """From nothing to the last byte that was read."""


def request(address, method, path=None, headers=None, body=None, *, seconds):
    """A response as a whole. Raises `NoConnection`."""
    began = time.monotonic()
    connection, response = _ask(address, method, path, headers, body, seconds)
    try:
        content = response.read(4 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise NoConnection(f"the response broke off ({error})") from error
    finally:
        connection.close()
    return Answer(response.status, _names(response), content, milliseconds(began))


class EventStream:
    """The response to a message that was posted: the events of a run, as they come; a context manager."""

    def __init__(self, address, message, headers, *, seconds):
        """Posts. Raises `NoConnection`; and `Refused` for another status than 200."""
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **headers}
        body = json.dumps(message).encode()
        self._seconds = seconds
        self._connection, self._response = _ask(address, "POST", None, headers, body, seconds)
        self.first_byte_at = time.monotonic()
        self.headers = _names(self._response)
        if self._response.status != 200:
            with self:
                body = self._response.read(4096).decode(errors="replace")
            raise Refused(self._response.status, self.headers, body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def read_into(self, run):
        """Hands all events and keepalives to a run, until the response ends. Raises `Silence`."""
        while True:
            try:
                line = self._response.readline()
            except TimeoutError:
                raise Silence from None
            except (OSError, http.client.HTTPException):
                return
            at = time.monotonic()
            if not line:
                return
            if line.startswith(b":"):
                run.take_keepalive(at)
            elif line.startswith(b"data:"):
                run.take_text(line.removeprefix(b"data:").decode(errors="replace").strip(), at)


def _ask(address, method, path, headers, body, seconds):
    opened = open_connection(address, seconds)
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = opened.socket
    opened.socket.settimeout(seconds)
    headers = {"Host": address.authority, "User-Agent": "agent-relay-live-check", **(headers or {})}
    try:
        connection.request(method, path or address.path, body=body, headers=headers)
        return connection, connection.getresponse()
    except TimeoutError as error:
        connection.close()
        raise NoConnection(f"nothing was answered within {seconds:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise NoConnection(f"the connection broke before an answer ({error})") from error


def _names(response):
    return {name.lower(): value for name, value in response.getheaders()}
