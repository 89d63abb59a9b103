"""What `sam build` makes, the file that is uploaded: with the environment that the template gives it,
it answers a prompt, serves the page, and lets nobody in without the access code.

The template is for x86_64. On a machine of the other architecture it is a release's archive for that.
"""

import base64
import json
import platform
import re
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import released_files
from deployed_function import deployed_environment, deployed_function
from local_aws import REPOSITORY, LocalAws
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

BUILD = REPOSITORY / ".aws-sam" / "build"
SECONDS = 30
# What the ELF header has as `e_machine`.
MACHINES = {"x86_64": 62, "arm64": 183}

# Amazon Linux 2023, the system of `provided.al2023`, has this version of the C library.
GLIBC = (2, 34)

CODE = "correct horse > battery ~ staple?"
PROMPTS = ["What can you do?", "Tell me a story"]

# Who answers, by what the local AWS calls it: the parameters of a deployment for it.
SOURCES = {
    "agent": {"AgentId": "AGENT12345", "AgentAliasId": "ALIAS12345"},
    # The local AWS' own, which is the only one there.
    "harness": {
        "HarnessArn": "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1"
    },
    "runtime": {
        "RuntimeArn": "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/local_runtime-LOCALRUNT1"
    },
}

# What only the local AWS knows: addresses of its own.
LOCAL = {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"}


@pytest.fixture(scope="module", params=SOURCES)
def source(request):
    """Who answers; everything that needs a deployment is tested with each."""
    return request.param


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """The executable."""
    if platform.machine() == "x86_64":
        return BUILD / "RelayFunction" / "bootstrap"
    return released_files.unpacked(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def variables(source):
    """The function's environment in a deployment of what `sam build` left."""
    template = (
        BUILD / "template.yaml" if platform.machine() == "x86_64" else released_files.TEMPLATE
    )
    return deployed_environment(
        template, AccessCode=CODE, SuggestedPrompts="|".join(PROMPTS), **SOURCES[source]
    )


@pytest.fixture(scope="module")
def function(artifact, variables, tmp_path_factory):
    """The artifact as a program that has the deployment's environment."""
    return deployed_function(
        artifact, variables, tmp_path_factory.mktemp("deployed"), without=LOCAL
    )


@pytest.fixture(scope="module")
def aws(function, source):
    """The local AWS, with the artifact as its function."""
    with LocalAws("--function", str(function), "--access-code", CODE, "--source", source) as local:
        yield local


def test_the_deployment_gives_it_every_address_that_is_replaced_here(variables):
    assert LOCAL <= set(variables)
    assert all(variables[name].startswith("https://") for name in LOCAL)


def test_it_answers_a_prompt_in_many_frames(aws, source):
    with client(aws, CODE) as socket:
        assert socket.subprotocol == "agent-relay"
        socket.send(json.dumps({"prompt": "hello"}))
        answer = [json.loads(socket.recv(SECONDS))]
        while answer[-1].get("type") not in ("RUN_FINISHED", "RUN_ERROR"):
            answer.append(json.loads(socket.recv(SECONDS)))
    types = [frame["type"] for frame in answer]
    assert types[0] == "RUN_STARTED"
    assert types[-1] == "RUN_FINISHED", answer[-1]
    # An agent on a runtime says its text in its own form.
    text = "TEXT_MESSAGE_CONTENT" if source == "runtime" else "TEXT_MESSAGE_CHUNK"
    assert types.count(text) > 1
    assert [frame["metadata"]["relay"]["seq"] for frame in answer] == list(range(len(answer)))


@pytest.mark.parametrize(
    "code",
    [None, "", "wrong horse", CODE[:-1], CODE + "x"],
    ids=["none", "empty", "wrong", "shorter", "longer"],
)
def test_it_refuses_a_client_without_the_code(aws, code):
    with pytest.raises(InvalidStatus) as refusal, client(aws, code):
        pass
    assert refusal.value.response.status_code in (401, 403)
    # Nor does it say what would have been right.
    assert CODE not in refusal.value.response.body.decode()
    assert CODE not in aws.output


def test_it_lets_only_the_own_page_connect(aws, variables):
    with client(aws, CODE, origin=variables["ALLOWED_ORIGINS"]):
        pass
    with pytest.raises(InvalidStatus), client(aws, CODE, origin="https://elsewhere.example.com"):
        pass


def test_it_serves_the_page(aws):
    with urllib.request.urlopen(f"{aws.page}/", timeout=SECONDS) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/html")
        policy = response.headers["content-security-policy"]
        page = response.read().decode()
    assert aws.socket in policy or f"ws://{aws.page.removeprefix('http://')}" in policy
    # A release build has the files in itself, so every one that the page names has to be there.
    for name in re.findall(r'(?:src|href)="([\w./-]+)"', page):
        with urllib.request.urlopen(f"{aws.page}/{name}", timeout=SECONDS) as response:
            assert response.status == 200, name
            assert response.read(), name


def test_it_tells_the_page_how_to_connect(aws, source):
    with urllib.request.urlopen(f"{aws.page}/config.json", timeout=SECONDS) as response:
        text = response.read().decode()
    assert CODE not in text
    expected = {
        "version": released_files.VERSION,
        "endpoint": aws.socket,
        "access": "code",
        "allowTrace": False,
        "suggestions": PROMPTS,
        "keepaliveSeconds": 30,
    }
    if source == "agent":
        expected["files"] = {"maxFiles": 5, "maxBytes": 10_485_760, "uploads": True}
    assert json.loads(text) == expected


def test_it_serves_nothing_but_the_page(aws):
    for path in ("template.yaml", "../Cargo.toml", "%2e%2e/Cargo.toml", "bootstrap"):
        with pytest.raises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(f"{aws.page}/{path}", timeout=SECONDS)
        assert missing.value.code == 404, path


@pytest.mark.parametrize("started", ["on-demand", "provisioned-concurrency"])
def test_its_first_turn_over_tls_does_not_collect_entropy(function, source, started, monkeypatch):
    # One that was started in advance has opened no connection yet.
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", started)
    options = ("--function", str(function), "--access-code", CODE, "--source", source)
    with LocalAws(*options, "--tls") as aws:
        start = cpu_milliseconds(aws.function_pid)
        with client(aws, CODE) as socket:
            turns = [cpu_of_a_turn(aws, socket) for _ in range(6)]
    first, later = turns[0], statistics.median(turns[1:])
    assert first <= 3 * later, turns
    # Nor does its start: with jitter, it takes more than 50 ms, which are the time of some thirty turns.
    assert start <= 12 * later, (start, turns)


def test_it_is_an_executable_for_its_architecture(artifact):
    with artifact.open("rb") as file:
        header = file.read(20)
    assert header[:5] == b"\x7fELF\x02"
    assert int.from_bytes(header[18:20], "little") == MACHINES[released_files.ARCHITECTURE]


def test_it_runs_with_the_c_library_of_al2023(artifact):
    needed = {
        (int(major), int(minor))
        for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", artifact.read_bytes())
    }
    assert needed, "it is linked dynamically"
    assert max(needed) <= GLIBC


def test_it_says_its_version(artifact, aws):
    said = subprocess.run(
        [artifact, "--version"], env={}, check=True, stdout=subprocess.PIPE
    ).stdout
    assert said.decode() == f"agent-relay {released_files.VERSION}\n"
    # So does its log, before anything else.
    first = next(line for line in aws.output.splitlines() if '"level"' in line or "INFO" in line)
    assert "the function starts" in first
    assert released_files.VERSION in first


# Helpers.


def cpu_of_a_turn(aws, socket):
    """The CPU time of one turn, in milliseconds."""
    before = cpu_milliseconds(aws.function_pid)
    ended = aws.output.count("run ended")
    socket.send(json.dumps({"prompt": "/tokens 3 0"}))
    while json.loads(socket.recv(SECONDS))["type"] != "RUN_FINISHED":
        pass
    # The line of log is the last that a turn does.
    until = time.monotonic() + SECONDS
    while aws.output.count("run ended") == ended:
        assert time.monotonic() < until
        time.sleep(0.01)
    return cpu_milliseconds(aws.function_pid) - before


def cpu_milliseconds(pid):
    """The CPU time that the threads of a process have taken."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6


def client(aws, code, origin=None):
    """A WebSocket that offers the code as the page does; none offers no subprotocol at all."""
    protocols = None
    if code is not None:
        token = base64.urlsafe_b64encode(code.encode()).decode().rstrip("=")
        protocols = ["agent-relay", f"token.{token}"]
    return connect(aws.socket, subprotocols=protocols, origin=origin, open_timeout=SECONDS)
