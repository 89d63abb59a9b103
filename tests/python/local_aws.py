"""The real local program, started for a test module."""

import os
import re
import shlex
import signal
import subprocess
import threading
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PROGRAM = REPOSITORY / "target" / "debug" / "local"
FUNCTION = REPOSITORY / "target" / "debug" / "agent-relay"

START_SECONDS = 30
STOP_SECONDS = 30
LINE_SECONDS = 30


def function_with(directory, **environment):
    """An executable that is the function with these variables, whatever it would otherwise be given."""
    exports = (f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    path = directory / "function"
    path.write_text("\n".join(["#!/bin/sh", *exports, f"exec '{FUNCTION}'", ""]))
    os.chmod(path, 0o755)
    return path


class LocalAws:
    """The local AWS on a free port of its own; a context manager that stops it."""

    def __init__(self, *options):
        self._output = []
        self._printed = threading.Condition()
        self._process = subprocess.Popen(
            [PROGRAM, "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.page = self._wait_for_address()
        """The page's address, `http://127.0.0.1:PORT`."""
        self.bedrock = f"{self.page}/bedrock"
        """Endpoint of `bedrock-agent-runtime`."""
        self.agentcore = f"{self.page}/agentcore"
        """Endpoint of `bedrock-agentcore`."""
        self.dynamodb = f"{self.page}/dynamodb"
        """Endpoint of `dynamodb`."""
        self.callbacks = f"{self.page}/local"
        """Endpoint of `apigatewaymanagementapi`."""
        self.socket = f"{self.page.replace('http', 'ws')}/local"
        """Where WebSocket clients connect."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    @property
    def output(self):
        """What the program has printed so far."""
        return "".join(self._output)

    @property
    def function_pid(self):
        """The process of the function, the only child of the program."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task").glob("*/children")
        (child,) = {child for file in children for child in file.read_text().split()}
        return int(child)

    def wait_for_line(self, *parts):
        """Waits until the program has printed a line with all of these parts."""

        def is_there():
            return any(all(part in line for part in parts) for line in self._output)

        with self._printed:
            assert self._printed.wait_for(is_there, LINE_SECONDS), (
                f"{parts} is not in:\n{self.output}"
            )

    def _wait_for_address(self):
        # A program that says nothing is ended, which ends the loop below.
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        for line in self._process.stdout:
            self._output.append(line)
            if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                watchdog.cancel()
                # Somebody has to go on reading, or the program would wait for a full pipe.
                threading.Thread(target=self._drain, daemon=True).start()
                return address[0]
        watchdog.cancel()
        code = self._process.wait()
        raise RuntimeError(f"the local program ended with {code}:\n{self.output}")

    def _drain(self):
        for line in self._process.stdout:
            with self._printed:
                self._output.append(line)
                self._printed.notify_all()
