"""A WebSocket as it is on the wire (RFC 6455): every status, header, frame and moment can be seen.

Libraries hide what is to be checked here: Python's standard library has none, and that of Node neither
sets `Origin` nor says with which status a handshake was refused.
"""

import base64
import hashlib
import os
import socket
import struct
import time
from dataclasses import dataclass

from address import NoConnection, milliseconds, open_connection

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

# What is put behind the key of a handshake.
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# More than API Gateway ever says in a handshake.
MAX_HEAD = 65_536

PROTOCOL = "agent-relay"


class Refused(Exception):
    """The handshake was answered with another status than 101."""

    def __init__(self, status, headers, body):
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.body = body


class Closed(Exception):
    """The connection has ended; with a code, if the other side has said one."""

    def __init__(self, code=None, reason=""):
        super().__init__(
            f"closed with {code} {reason}".rstrip() if code else "ended without a close frame"
        )
        self.code = code
        self.reason = reason


class Silence(Exception):
    """Nothing came within the time that was to be waited."""


@dataclass(frozen=True)
class Message:
    """A whole message, or a control frame."""

    kind: int
    data: bytes
    at: float
    """When its last byte had come, by the monotonic clock."""


def subprotocols(credential):
    """What a handshake asks for: with a credential the relay's own, and the credential as another."""
    if credential is None:
        return None
    encoded = base64.urlsafe_b64encode(credential.encode()).decode().rstrip("=")
    return f"{PROTOCOL}, token.{encoded}"


class WebSocket:
    """A connection; a context manager that leaves without a word."""

    def __init__(self, address, credential=None, origin=None, *, seconds):
        """Connects. Raises `NoConnection` or `Refused`."""
        began = time.monotonic()
        self._opened = open_connection(address, seconds)
        self._socket = self._opened.socket
        self._buffer = bytearray()
        self._fragments = bytearray()
        self._kind = None
        try:
            self.headers = self._upgrade(address, subprotocols(credential), origin, seconds)
        except OSError as error:
            self._socket.close()
            raise NoConnection(f"the connection broke in the handshake ({error})") from error
        except BaseException:
            self._socket.close()
            raise
        self.handshake_ms = milliseconds(began)
        """From nothing to the status 101."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    @property
    def figures(self):
        """How long each part of the handshake took."""
        opened = self._opened
        before = opened.tcp_ms + (opened.tls_ms or 0)
        figures = {"handshakeMs": self.handshake_ms, "tcpMs": opened.tcp_ms}
        if opened.tls_ms is not None:
            figures |= {"tlsMs": opened.tls_ms, "tls": opened.tls_version}
        return figures | {"upgradeMs": self.handshake_ms - before}

    def _upgrade(self, address, protocols, origin, seconds):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {address.path} HTTP/1.1",
            f"Host: {address.authority}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            "User-Agent: agent-relay-live-check",
        ]
        if protocols:
            lines.append(f"Sec-WebSocket-Protocol: {protocols}")
        if origin:
            lines.append(f"Origin: {origin}")
        self._socket.settimeout(seconds)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        deadline = time.monotonic() + seconds
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD:
                raise NoConnection("what answers is no HTTP server")
            try:
                self._read_more(deadline)
            except Silence:
                raise NoConnection(f"the handshake was not answered within {seconds:g} s") from None
            except Closed:
                raise NoConnection(
                    "the connection was closed in the handshake, without an answer"
                ) from None
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        status, headers = parse_head(head)
        if status != 101:
            raise Refused(status, headers, self._body(headers, deadline))
        expected = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        if headers.get("sec-websocket-accept") != expected:
            raise NoConnection(
                "the handshake's answer is to another question: a proxy has kept an old one"
            )
        return headers

    def _body(self, headers, deadline):
        """The body of a refusal, as far as it comes."""
        try:
            length = int(headers.get("content-length", "4096"))
            while len(self._buffer) < min(length, MAX_HEAD):
                self._read_more(min(deadline, time.monotonic() + 2))
        except (Silence, Closed, OSError, ValueError):
            pass
        return bytes(self._buffer).decode(errors="replace")

    def send_text(self, text, frame_bytes=None):
        """Sends a text in one frame, or in several of at most so many bytes."""
        data = text.encode()
        size = frame_bytes or max(len(data), 1)
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, piece in enumerate(pieces):
            self._send(TEXT if number == 0 else 0x0, piece, last=number == len(pieces) - 1)

    def send_binary(self, data):
        self._send(BINARY, data)

    def ping(self, data=b"live-check"):
        self._send(PING, data)

    def _send(self, opcode, payload, last=True):
        mask = os.urandom(4)
        head = bytes([(0x80 if last else 0) | opcode])
        if len(payload) < 126:
            head += bytes([0x80 | len(payload)])
        elif len(payload) < 65_536:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", len(payload))
        repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
        data = head + mask + masked.to_bytes(len(payload), "big")
        self._socket.settimeout(30)
        try:
            self._socket.sendall(data)
        except OSError:
            # The other side has closed, and what it said before is still to be read.
            pass

    def receive(self, deadline):
        """The next message or pong. Raises `Silence` at the deadline, and `Closed`."""
        while True:
            opcode, last, payload = self._frame(deadline)
            at = time.monotonic()
            match opcode:
                case 0x8:
                    self._send(CLOSE, payload[:2])
                    code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
                    raise Closed(code or 1005, payload[2:].decode(errors="replace"))
                case 0x9:
                    self._send(PONG, payload)
                    continue
                case 0xA:
                    return Message(PONG, payload, at)
                case 0x0 if self._kind is not None:
                    self._fragments += payload
                case 0x1 | 0x2:
                    self._kind = opcode
                    self._fragments = bytearray(payload)
                case _:
                    raise Closed(None, "")
            if last:
                kind, self._kind = self._kind, None
                return Message(kind, bytes(self._fragments), at)

    def _frame(self, deadline):
        self._need(2, deadline)
        first, second = self._buffer[0], self._buffer[1]
        length, start = second & 0x7F, 2
        if length == 126:
            self._need(4, deadline)
            length, start = struct.unpack(">H", self._buffer[2:4])[0], 4
        elif length == 127:
            self._need(10, deadline)
            length, start = struct.unpack(">Q", self._buffer[2:10])[0], 10
        self._need(start + length, deadline)
        payload = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return first & 0x0F, bool(first & 0x80), payload

    def _need(self, count, deadline):
        while len(self._buffer) < count:
            self._read_more(deadline)

    def _read_more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Silence
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(65_536)
        except TimeoutError:
            raise Silence from None
        except OSError:
            raise Closed from None
        if not data:
            raise Closed
        self._buffer += data

    def drop(self):
        """Ends the connection as a broken network does: with a reset, without a close frame."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self):
        """Ends the connection in good order."""
        try:
            self._send(CLOSE, struct.pack(">H", 1000))
            deadline = time.monotonic() + 2
            while True:
                self.receive(deadline)
        except (Silence, Closed, OSError):
            pass
        self._socket.close()


def parse_head(head):
    """The status and the headers, whose names are in lower case, of the head of a response."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/") or not parts[1].isdigit():
        raise NoConnection("what answers is no HTTP server")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(parts[1]), headers
