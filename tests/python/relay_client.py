"""Clients of the relay, over a WebSocket and over HTTP, and the history that front ends keep."""

import hashlib
import json
import urllib.request

from openid_provider import base64url
from recorder import HTTP, SECONDS
from websockets.sync.client import connect

TERMINAL = ("RUN_FINISHED", "RUN_ERROR")

KEEPALIVE = b": keepalive\n"


class WebSocketClient:
    """A connection; a context manager."""

    def __init__(self, local, *, token=None):
        protocols = ["agent-relay", f"token.{base64url(token.encode())}"] if token else None
        self._connection = connect(local.socket, open_timeout=SECONDS, subprotocols=protocols)

    def __enter__(self):
        self._socket = self._connection.__enter__()
        return self

    def __exit__(self, *exception):
        self._connection.__exit__(*exception)

    def send(self, message):
        """Sends a message, and returns the frames of its run."""
        self.begin(message)
        frames = [self.next_frame()]
        while frames[-1]["type"] not in TERMINAL:
            frames.append(self.next_frame())
        return frames

    def begin(self, message):
        """Sends a message. Its frames are for `next_frame`."""
        self._socket.send(message)

    def next_frame(self):
        """The next frame, which must come."""
        return json.loads(self._socket.recv(SECONDS))

    def leave(self):
        """Closes the connection."""
        self._socket.close()

    def send_and_leave(self, message):
        """Sends a message, and closes the connection when its run has started."""
        self.begin(message)
        assert self.next_frame()["type"] == "RUN_STARTED"
        self.leave()


class HttpClient:
    """One that posts its messages; a context manager like the other."""

    def __init__(self, local, *, token=None, headers=()):
        self._local = local
        self._headers = dict(headers) | ({"authorization": f"Bearer {token}"} if token else {})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing is open between two messages."""

    def send(self, message):
        """Sends a message, and returns the events of its run."""
        with post(self._local, message, **self._headers) as response:
            return list(read_events(response))

    def send_and_leave(self, message):
        """Sends a message, and closes the connection when its run has started."""
        with post(self._local, message, **self._headers) as response:
            assert next(read_events(response))["type"] == "RUN_STARTED"


CLIENTS = {"WebSocket": WebSocketClient, "HTTP": HttpClient}


def post(local, body, **headers):
    """The response to a request over HTTP. Of the headers, those that are None are not sent."""
    headers = {"content-type": "application/json", **headers}
    headers = {name: value for name, value in headers.items() if value is not None}
    url = f"{local.page}/agui"
    request = urllib.request.Request(url, data=body.encode(), headers=headers, method="POST")
    return HTTP.open(request, timeout=SECONDS)


def read_events(response):
    """The events of a response, each of which is one line of data and a blank one."""
    assert response.status == 200
    assert response.headers["content-type"] == "text/event-stream"
    for line in response:
        if line == KEEPALIVE:
            assert response.readline() == b"\n"
            continue
        assert line.startswith(b"data: ") and line.endswith(b"\n")
        assert response.readline() == b"\n"
        yield json.loads(line.removeprefix(b"data: "))


class History:
    """The messages of a conversation, as AG-UI's clients keep them."""

    def __init__(self):
        self.messages = []

    def hear(self, frames):
        """Adds what the agent says, in either form of AG-UI's events."""
        for frame in frames:
            match frame["type"]:
                case "TEXT_MESSAGE_CHUNK" | "TEXT_MESSAGE_CONTENT":
                    self._message(frame["messageId"], "assistant")["content"] += frame["delta"]
                case "REASONING_MESSAGE_CHUNK" | "REASONING_MESSAGE_CONTENT":
                    self._message(frame["messageId"], "reasoning")["content"] += frame["delta"]
                case "TOOL_CALL_CHUNK" | "TOOL_CALL_START":
                    self._call(frame)
                case "TOOL_CALL_ARGS":
                    self.call(frame["toolCallId"])["function"]["arguments"] += frame["delta"]
                case "TOOL_CALL_RESULT":
                    message = self._message(frame["messageId"], "tool")
                    message |= {"toolCallId": frame["toolCallId"], "content": frame["content"]}
                case "MESSAGES_SNAPSHOT":
                    self.messages[:] = frame["messages"]

    def call(self, id_):
        """The tool call with this id."""
        calls = (call for message in self.messages for call in message.get("toolCalls", []))
        return next(call for call in calls if call["id"] == id_)

    def _call(self, frame):
        id_ = frame["toolCallId"]
        message = self._message(frame.get("parentMessageId", id_), "assistant")
        function = {"name": frame["toolCallName"], "arguments": frame.get("delta", "")}
        call = {"id": id_, "type": "function", "function": function}
        message.setdefault("toolCalls", []).append(call)

    def _message(self, id_, role):
        for message in self.messages:
            if message["id"] == id_:
                return message
        self.messages.append({"id": id_, "role": role, "content": ""})
        return self.messages[-1]


# The ids that the relay makes.


def agentcore_session_id(thread_id, user=None):
    """The id by which AgentCore knows a conversation, of a user where users sign in."""
    of_relay = f"{user_hash(user)}:{thread_id}" if user else thread_id
    return hashlib.sha256(of_relay.encode()).hexdigest()


def user_hash(subject):
    """What stands for a user in ids: 96 bits of a SHA-256, in 16 characters."""
    return base64url(hashlib.sha256(subject.encode()).digest()[:12])
