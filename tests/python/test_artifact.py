"""What `cargo lambda build --release` makes: the file that is uploaded answers a prompt."""

import json
import re

import pytest
from websockets.sync.client import connect

from local_aws import REPOSITORY, LocalAws

ARTIFACT = REPOSITORY / "target" / "lambda" / "agent-relay" / "bootstrap"
SECONDS = 30

# Amazon Linux 2023, the system of `provided.al2023`, has this version of the C library.
GLIBC = (2, 34)


@pytest.fixture(scope="module")
def answer():
    """The frames that the artifact sends for a prompt, from the gateway's WebSocket."""
    with (
        LocalAws("--function", str(ARTIFACT)) as local,
        connect(local.socket, open_timeout=SECONDS) as socket,
    ):
        socket.send(json.dumps({"prompt": "hello"}))
        frames = [json.loads(socket.recv(SECONDS))]
        while frames[-1].get("type") not in ("RUN_FINISHED", "RUN_ERROR"):
            frames.append(json.loads(socket.recv(SECONDS)))
        return frames


def test_it_answers_a_prompt_in_many_frames(answer):
    types = [frame["type"] for frame in answer]
    assert types[0] == "RUN_STARTED"
    assert types[-1] == "RUN_FINISHED", answer[-1]
    assert types.count("TEXT_MESSAGE_CHUNK") > 1
    assert [frame["metadata"]["relay"]["seq"] for frame in answer] == list(range(len(answer)))


def test_it_is_an_executable_for_x86_64():
    with ARTIFACT.open("rb") as file:
        header = file.read(20)
    assert header[:5] == b"\x7fELF\x02"
    assert int.from_bytes(header[18:20], "little") == 62, "EM_X86_64"


def test_it_runs_with_the_c_library_of_al2023():
    needed = {
        (int(major), int(minor))
        for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", ARTIFACT.read_bytes())
    }
    assert needed, "it is linked dynamically"
    assert max(needed) <= GLIBC
