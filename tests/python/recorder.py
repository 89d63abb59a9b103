"""A proxy between the function and an agent, a harness or a runtime, which records what both say."""

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.eventstream import EventStreamBuffer
from local_aws import function_with

# A proxy of this machine's is none for this machine.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))

SECONDS = 30


@dataclass(frozen=True)
class Exchange:
    """A request of the function and the response."""

    method: str
    path: str
    """Below the endpoint, as it was encoded."""
    query: str
    """Behind the path, as it was encoded; empty without one."""
    headers: Message
    """By names whose case does not matter."""
    body: bytes
    status: int
    """Of the response."""
    response: bytes

    @property
    def content_type(self):
        return self.headers["content-type"]

    @property
    def request(self):
        """The JSON of the request."""
        return json.loads(self.body)

    def stream(self):
        """The events of the response: the type of each, and its JSON."""
        stream = EventStreamBuffer()
        stream.add_data(self.response)
        return [
            (message.headers.get(":event-type"), json.loads(message.payload)) for message in stream
        ]

    def events(self, event_type):
        """The JSON of the events of a type."""
        return [payload for type_, payload in self.stream() if type_ == event_type]


class Recorder:
    """A context manager; `agent` is to be set before the first request."""

    def __init__(self):
        self.agent = None
        """The endpoint of the real one."""
        self.exchanges = []
        """Every exchange so far, in the order in which they ended."""
        self._to_throttle = ("", 0)
        self._recorded = threading.Condition()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            # The name is the one that http.server looks for.
            def do_POST(self):
                recorder._forward(self)

            def log_message(self, *_):
                """Says nothing: pytest shows what failed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        """Where the function believes it to be."""

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def function(self, directory, **environment):
        """An executable that is the function with the recorder as its agent, harness or runtime.

        The variables of `environment` are set, whatever the function would otherwise be given.
        """
        environment |= {
            "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME": self.url,
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": self.url,
        }
        return function_with(directory, **environment)

    def wait_for(self, wanted, count):
        """The exchanges that `wanted` holds for, once there are so many."""
        fitting = []

        def are_there():
            fitting[:] = filter(wanted, self.exchanges)
            return len(fitting) >= count

        with self._recorded:
            assert self._recorded.wait_for(are_there, SECONDS), fitting
        return fitting

    def throttle(self, part, times):
        """Refuses the next requests whose path has this part, so that nobody else sees them."""
        self._to_throttle = (part, times)

    def _forward(self, handler):
        body = handler.rfile.read(int(handler.headers["content-length"]))
        part, times = self._to_throttle
        if times and part in handler.path:
            self._to_throttle = (part, times - 1)
            headers = {"x-amzn-errortype": "ThrottlingException"}
            self._answer(handler, body, 429, headers, b'{"message":"Too many requests"}')
            return
        forwarded = urllib.request.Request(
            f"{self.agent}{handler.path}",
            data=body,
            headers=_passed_on(handler.headers),
            method=handler.command,
        )
        try:
            response = HTTP.open(forwarded, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            # One of the service's exceptions, which is a response like another.
            response = error
        with response:
            answer = response.read()
        self._answer(handler, body, response.status, _passed_on(response.headers), answer)

    def _answer(self, handler, body, status, headers, answer):
        path, _, query = handler.path.partition("?")
        exchange = Exchange(
            method=handler.command,
            path=path,
            query=query,
            headers=handler.headers,
            body=body,
            status=status,
            response=answer,
        )
        # It is recorded before the function can know that the run is over.
        with self._recorded:
            self.exchanges.append(exchange)
            self._recorded.notify_all()
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(answer)))
            handler.end_headers()
            handler.wfile.write(answer)
        except ConnectionError:
            # The function drops an answer that nobody waits for any more.
            pass


def _passed_on(headers):
    """Those headers that belong to the API, and not to a connection or a signature."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower().startswith(("content-type", "x-amzn-", "x-amz-target"))
    }


def canonical(body):
    """JSON as a text that is the same for the same JSON, whatever the order of members."""
    # Numbers as they are written, since Python takes 1, 1.0 and True for the same.
    document = json.loads(body, parse_int=digits, parse_float=digits)
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)


def digits(number):
    """What stands for a number, as it is written, in canonical JSON."""
    return f"the number {number}"
