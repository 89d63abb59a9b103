"""A proxy between the function and the agent, which records what both say."""

import json
import os
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.eventstream import EventStreamBuffer

from local_aws import REPOSITORY

# A proxy of this machine's is none for this machine.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))

FUNCTION = REPOSITORY / "target" / "debug" / "agent-relay"

SECONDS = 30


@dataclass(frozen=True)
class Exchange:
    """A request of the function and the agent's response."""

    method: str
    path: str
    """Below the endpoint."""
    content_type: str
    body: bytes
    response: bytes

    @property
    def request(self):
        """The JSON of the request."""
        return json.loads(self.body)

    def events(self, event_type):
        """The JSON of the agent's events of a type."""
        stream = EventStreamBuffer()
        stream.add_data(self.response)
        return [
            json.loads(message.payload)
            for message in stream
            if message.headers.get(":event-type") == event_type
        ]


class Recorder:
    """A context manager; `agent` is to be set before the first request."""

    def __init__(self):
        self.agent = None
        """The endpoint of the real agent."""
        self.exchanges = []
        """Every exchange so far, in the order in which they ended."""
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            # The name is the one that http.server looks for.
            def do_POST(self):
                recorder._forward(self)

            def log_message(self, *_):
                """Says nothing: pytest shows what failed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        """Where the function believes the agent to be."""

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def function(self, directory):
        """An executable that is the function with the recorder as its agent."""
        path = directory / "recorded-function"
        path.write_text(
            "#!/bin/sh\n"
            f"export AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME='{self.url}'\n"
            f"exec '{FUNCTION}'\n"
        )
        os.chmod(path, 0o755)
        return path

    def _forward(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        content_type = handler.headers["content-type"]
        forwarded = urllib.request.Request(
            f"{self.agent}{handler.path}",
            data=body,
            headers={"content-type": content_type},
            method=handler.command,
        )
        try:
            response = HTTP.open(forwarded, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            # One of Bedrock's exceptions, which is a response like another.
            response = error
        with response:
            answer = response.read()
        # It is recorded before the function can know that the run is over.
        self.exchanges.append(
            Exchange(handler.command, handler.path, content_type, body, answer)
        )
        handler.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower().startswith(("content-type", "x-amz")):
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)
