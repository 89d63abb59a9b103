"""Addresses of a deployment, and the connections below HTTP and WebSocket."""

import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


class NoConnection(Exception):
    """There is no connection, or no TLS over it. The words say why and what to do."""


@dataclass(frozen=True)
class Address:
    """Where something is asked."""

    secure: bool
    host: str
    port: int
    path: str
    """With the query, if there is one."""

    @classmethod
    def parse(cls, url, schemes):
        """The parts of a URL whose scheme is one of these, the secure one first."""
        parts = urlsplit(url)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"{url!r} is no address like {schemes[0]}://…")
        secure = parts.scheme == schemes[0]
        path = parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), path)

    @property
    def authority(self):
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True)
class Opened:
    """A connection that is open, and how long that took, in milliseconds."""

    socket: socket.socket
    tcp_ms: float
    tls_ms: float | None
    tls_version: str | None


def open_connection(address, seconds):
    """Opens a connection, with TLS where the address wants it. Raises `NoConnection`."""
    began = time.monotonic()
    try:
        plain = socket.create_connection((address.host, address.port), seconds)
    except socket.gaierror as error:
        raise NoConnection(
            f"the name {address.host} is not known ({error.strerror}): compare the address with the "
            "outputs of the stack, `sam list stack-outputs`"
        ) from error
    except OSError as error:
        raise NoConnection(
            f"nobody answers at {address.authority} ({error}): compare the address with the outputs of "
            "the stack, and see whether a firewall is in the way"
        ) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected = time.monotonic()
    if not address.secure:
        return Opened(plain, milliseconds(began, connected), None, None)
    context = ssl.create_default_context()
    # A WebSocket's handshake is HTTP/1.1, and so is all else that is asked here.
    context.set_alpn_protocols(["http/1.1"])
    try:
        wrapped = context.wrap_socket(plain, server_hostname=address.host)
    except (OSError, ValueError) as error:
        plain.close()
        raise NoConnection(
            f"TLS with {address.authority} fails ({error}): a proxy that looks into TLS has an authority "
            "of its own, which SSL_CERT_FILE can name; or a domain has the wrong certificate"
        ) from error
    version = wrapped.version()
    return Opened(wrapped, milliseconds(began, connected), milliseconds(connected), version)


def milliseconds(since, until=None):
    """The time between two moments of the monotonic clock; without the second, until now."""
    return ((time.monotonic() if until is None else until) - since) * 1000
