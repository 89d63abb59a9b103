"""A run as its client sees it: frames with the moments at which they came (docs/protocol.md)."""

import json
import uuid

TERMINAL = ("RUN_FINISHED", "RUN_ERROR")
TEXTS = ("TEXT_MESSAGE_CHUNK", "TEXT_MESSAGE_CONTENT")


def new_conversation():
    """An id that no other conversation has, and that can be found in logs."""
    return f"live-check-{uuid.uuid4()}"


class Run:
    """What has come of a run so far, over one connection or several."""

    def __init__(self, asked_at):
        self.asked_at = asked_at
        """When it was asked for, by the monotonic clock."""
        self.first_byte_at = None
        """When the head of a response had come, over HTTP."""
        self.moments = []
        """When each frame came that was not there already."""
        self.frames = []
        self.text = ""
        self.pieces = 0
        """Frames with text."""
        self.last = -1
        """The number of the last frame."""
        self.end = None
        """The terminal frame."""
        self.end_at = None
        self.started_at = None
        self.first_text_at = None
        self.keepalives = []
        """When each came, over either transport."""
        self.gateway_says = None
        """What API Gateway itself said instead of a frame."""
        self.problem = None
        """What is against the protocol in what came; the first of it."""
        self.repeated = 0
        """Frames that had been there already."""
        self._quiet_since = asked_at
        self.longest_silence = 0.0
        """Of the agent, in seconds: keepalives do not count."""
        self.longest_gap = 0.0
        """Between anything that came, in seconds."""
        self._something_at = asked_at

    def take_text(self, text, at):
        """Takes a message of a WebSocket, or the data of an event."""
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            self._complain(f"what came is no JSON object: {text[:80]!r}")
            return
        self._heard(at)
        if "type" not in frame:
            self.gateway_says = str(frame.get("message", frame))
            return
        self._take(frame, at)

    def take_keepalive(self, at):
        """Takes a comment of an event stream."""
        self._heard(at)
        self.keepalives.append(at)

    def _take(self, frame, at):
        relay = (frame.get("metadata") or {}).get("relay") or {}
        seq = relay.get("seq")
        if not isinstance(seq, int):
            self._complain(f"a frame {frame['type']} has no number")
            return
        before = relay.get("after", seq - 1)
        if seq <= self.last:
            self.repeated += 1
            return
        if before > self.last:
            self._complain(f"frames are missing: behind {self.last} came {seq}")
        if self.end is not None:
            self._complain(f"{frame['type']} came behind the end of the run")
        self.last = seq
        self.frames.append(frame)
        self.moments.append(at)
        if is_keepalive(frame):
            self.keepalives.append(at)
            return
        self._agent_spoke(at)
        match frame["type"]:
            case "RUN_STARTED":
                self.started_at = self.started_at or at
                self._quiet_since = at
            case kind if kind in TEXTS:
                self.first_text_at = self.first_text_at or at
                self.pieces += 1
                self.text += frame.get("delta", "")
            case kind if kind in TERMINAL:
                self.end, self.end_at = frame, at

    def _heard(self, at):
        self.longest_gap = max(self.longest_gap, at - self._something_at)
        self._something_at = at

    def _agent_spoke(self, at):
        self.longest_silence = max(self.longest_silence, at - self._quiet_since)
        self._quiet_since = at

    def _complain(self, problem):
        self.problem = self.problem or problem

    @property
    def is_finished(self):
        return self.end is not None and self.end["type"] == "RUN_FINISHED"

    @property
    def code(self):
        """That of a run which ended with an error."""
        return self.end.get("code") if self.end and self.end["type"] == "RUN_ERROR" else None

    @property
    def relay(self):
        """What the relay says in the terminal frame."""
        return ((self.end or {}).get("metadata") or {}).get("relay") or {}

    @property
    def stats(self):
        return self.relay.get("stats") or {}

    @property
    def key(self):
        """What the run can be joined and stopped with; None where runs are not kept."""
        for frame in self.frames[:1]:
            return frame["metadata"]["relay"].get("key")
        return None

    @property
    def run_id(self):
        for frame in self.frames[:1]:
            return frame["metadata"]["relay"].get("runId")
        return None

    @property
    def source_spoke(self):
        """Whether the agent had said anything, text or trace."""
        silent = ("RUN_STARTED", *TERMINAL)
        return any(frame["type"] not in silent and not is_keepalive(frame) for frame in self.frames)

    def figures(self):
        """The times of the run in milliseconds since it was asked for, and the relay's own figures."""
        since = lambda at: None if at is None else (at - self.asked_at) * 1000
        figures = {
            "firstFrameMs": since(self.moments[0] if self.moments else None),
            "firstTextMs": since(self.first_text_at),
            "endMs": since(self.end_at),
            "frames": len(self.frames),
            "textFrames": self.pieces,
            "characters": len(self.text),
            "runId": self.run_id,
        }
        relay = {f"relay{name[0].upper()}{name[1:]}": value for name, value in self.stats.items()}
        return {name: value for name, value in (figures | relay).items() if value is not None}


def is_keepalive(frame):
    return frame["type"] == "RAW" and frame.get("source") == "relay"
