"""An OpenID provider on this machine, whose tokens the function takes."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# A key that needs no making and keeps no secret: two primes of Mersenne's.
PRIMES = (2**1279 - 1, 2**2203 - 1)
MODULUS = PRIMES[0] * PRIMES[1]
EXPONENT = 65537
PRIVATE = pow(EXPONENT, -1, (PRIMES[0] - 1) * (PRIMES[1] - 1))
LENGTH = (MODULUS.bit_length() + 7) // 8

# What stands before a SHA-256 in a signature (RFC 8017, section 9.2).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")

AUDIENCE = "relay-tests"


class OpenIdProvider:
    """A context manager."""

    def __init__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            # The name is the one that http.server looks for.
            def do_GET(self):
                body = json.dumps(provider._document(self.path)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Says nothing: pytest shows what failed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def token(self, subject, **claims):
        """A token of this user, which counts for some minutes."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 600}
        claims |= {"iss": self.issuer, "aud": AUDIENCE, "sub": subject} | times
        parts = [{"alg": "RS256", "kid": "tests", "typ": "JWT"}, claims]
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{base64url(signature(signed.encode()))}"

    def _document(self, path):
        if path != "/keys":
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        key = {"kty": "RSA", "kid": "tests", "alg": "RS256", "use": "sig"}
        numbers = {"n": MODULUS.to_bytes(LENGTH), "e": EXPONENT.to_bytes(3)}
        key |= {name: base64url(number) for name, number in numbers.items()}
        return {"keys": [key]}


def signature(message):
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2)."""
    digest = DIGEST_INFO + hashlib.sha256(message).digest()
    padding = b"\xff" * (LENGTH - len(digest) - 3)
    encoded = b"\x00\x01" + padding + b"\x00" + digest
    return pow(int.from_bytes(encoded), PRIVATE, MODULUS).to_bytes(LENGTH)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
