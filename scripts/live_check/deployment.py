"""The deployment that is tried, and how it is asked."""

import json
import time
from dataclasses import dataclass, field

import advice
from address import Address, NoConnection
from report import Report, no
from run import Run, new_conversation
from websocket import BINARY, PONG, TEXT, Closed, Silence, WebSocket

# How long API Gateway may take for its own answers.
PROBE_SECONDS = 5

GATEWAY_SAYS = {
    "Endpoint request timed out": (
        "The function answers API Gateway only after its work, or not at all: what is deployed is not this "
        "function, or it hangs; see " + advice.LOG
    ),
    "Internal server error": (
        "API Gateway could not invoke the function for a message ($default), or it crashed: it needs the right "
        "(lambda:InvokeFunction for apigateway.amazonaws.com); see " + advice.LOG
    ),
    "Too Many Requests": "MaxConcurrency, ThrottleRate or the account's concurrency is in use: raise it, or wait",
    "Forbidden": "There is no $default route for messages: see Routes of WebSocketApi",
}


@dataclass
class Deployment:
    """What was given on the command line, and what has been learnt so far."""

    url: str
    address: Address
    http: Address | None
    page: Address | None
    credential: str | None
    origins: list
    any_origin: bool
    prompt: str
    slow_prompt: str | None
    silence_seconds: float
    idle_minutes: list
    patience: float
    """How long nothing may come, in seconds: longer than two keepalives are apart."""
    report: Report
    first: WebSocket | None = None
    """The connection of the first handshake."""
    first_run: Run | None = None
    """The first answer, once it is whole."""
    http_run: Run | None = None
    """The same over HTTP."""
    run_ids: list = field(default_factory=list)
    """All runs that have begun, for the operator to look them up."""

    def connect(self, **changes):
        """A connection. Raises `NoConnection` or `Refused`."""
        credential = changes.pop("credential", self.credential)
        return WebSocket(self.address, credential, seconds=self.patience, **changes)

    def ask(self, socket, prompt=None, **members):
        """Sends a prompt in a conversation of its own. The run is yet to be read."""
        message = {"prompt": prompt or self.prompt, "sessionId": new_conversation(), **members}
        run = Run(time.monotonic())
        socket.send_text(json.dumps(message, ensure_ascii=False))
        return run

    def read(self, socket, run, until=lambda run: run.end is not None):
        """Reads a run until something holds. Returns None, or what went wrong instead, as an outcome."""
        try:
            while not until(run) and run.gateway_says is None and run.end is None:
                message = socket.receive(time.monotonic() + self.patience)
                if message.kind == TEXT:
                    run.take_text(message.data.decode(errors="replace"), message.at)
        except Silence:
            return self._silent(socket, run)
        except Closed as closed:
            todo = (
                "API Gateway, or something before it, has ended the connection: see " + advice.LOG
            )
            return no(f"the connection was {closed} after {_frames(run)}", todo, **run.figures())
        finally:
            self.remember(run)
        if run.gateway_says is not None:
            todo = GATEWAY_SAYS.get(
                run.gateway_says, "It is API Gateway that says so, and not the function"
            )
            return no(f"instead of a frame came “{run.gateway_says}”", todo, **run.figures())
        return None

    def remember(self, run):
        """Keeps the id of a run, for the operator to look it up."""
        if run.started_at and run.run_id not in self.run_ids:
            self.run_ids.append(run.run_id)

    def failed(self, run):
        """What is wrong with a run that has ended, or None."""
        if run.problem:
            todo = "Something between here and the function changes or loses frames; if it is the relay, report it"
            return no(run.problem, todo, **run.figures())
        if run.code:
            todo = advice.AGENTS_ROLE if run.code == "access_denied" and run.source_spoke else None
            took = f"after {run.figures().get('endMs', 0):.0f} ms"
            said = f"{run.code} {took}: {run.end.get('message', '')}"
            return no(said, todo or advice.of_code(run.code), code=run.code, **run.figures())
        return None

    def _silent(self, socket, run):
        waited = f"{self.patience:g} s"
        said = (
            f"nothing came for {waited} after {_frames(run)}"
            if run.frames
            else f"no frame came in {waited}"
        )
        proof = sign_of_the_gateway(socket)
        if proof:
            todo = advice.STOPPED if run.frames else advice.NO_POSTS
            return no(f"{said}, though {proof} did", todo.format(proof=proof), **run.figures())
        return no(f"{said}, nor anything else", advice.SWALLOWED, **run.figures())

    def no_connection(self, error):
        """The outcome of a handshake that failed."""
        if isinstance(error, NoConnection):
            return no("there is no connection", str(error))
        status = error.status
        if status in (401, 403):
            todo = advice.FORBIDDEN if self.credential else advice.FORBIDDEN_WITHOUT
        elif 300 <= status < 400:
            todo = f"It is elsewhere: {error.headers.get('location')}"
        elif status == 200:
            todo = "What answers is a Web server and no WebSocket API: the output WebSocketUrl has the address"
        else:
            todo = advice.HANDSHAKE.get(status, "API Gateway's documentation has this status")
        words = f": {error.body[:120]}" if error.body.strip() else ""
        return no(f"HTTP {status}{words}", todo, status=status)


def sign_of_the_gateway(socket):
    """What API Gateway has answered by itself: a pong, or the end of the connection for a binary message; else None."""
    socket.ping()
    socket.send_binary(b"live-check")
    deadline = time.monotonic() + PROBE_SECONDS
    try:
        while True:
            kind = socket.receive(deadline).kind
            if kind == PONG:
                return "a pong"
            if kind not in (TEXT, BINARY):
                return None
    except Closed as closed:
        return f"its close frame {closed.code}" if closed.code else None
    except Silence:
        return None


def _frames(run):
    count = len(run.frames)
    return f"{count} frame{'' if count == 1 else 's'}"
