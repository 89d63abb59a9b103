"""Files of the user: what the function sends to a Bedrock agent, beside what botocore makes of the same values,
and what the scripted agent refuses as the service does."""

import base64
import hashlib
import json
import re
import subprocess
import sys
import uuid

import pytest
from aws_clients import make_client
from botocore.exceptions import ClientError
from local_aws import REPOSITORY, LocalAws
from recorder import Recorder
from relay_client import HttpClient, WebSocketClient
from service_requests import ServiceRequests

BEDROCK = ServiceRequests("bedrock-agent-runtime")

MIB = 1024 * 1024

PIECE = 24_000


def content(length):
    return hashlib.shake_128(b"seed").digest(length)


def told(name, data, use="CHAT", media_type="application/pdf"):
    """How the scripted agent tells of a file."""
    digest = hashlib.sha256(data).hexdigest()
    return f"- `{name}`, {media_type}, {len(data)} bytes, {use}, SHA-256 `{digest}`\n"


def text_of(frames):
    return "".join(frame.get("delta", "") for frame in frames)


@pytest.fixture(scope="module")
def recorder():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def local(recorder, tmp_path_factory):
    function = recorder.function(tmp_path_factory.mktemp("function"), FILE_USE="code_interpreter")
    with LocalAws(f"--function={function}") as local:
        recorder.agent = local.bedrock
        yield local


@pytest.fixture(params=[WebSocketClient, HttpClient], ids=["websocket", "http"])
def client(request, local):
    with request.param(local) as client:
        yield client


def upload(client, data):
    """Sends a file in pieces, the last one first; returns the upload's id."""
    upload = {"id": str(uuid.uuid4()), "count": -(-len(data) // PIECE), "size": len(data)}
    for index in reversed(range(upload["count"])):
        piece = base64.b64encode(data[index * PIECE : (index + 1) * PIECE]).decode()
        client.begin(json.dumps({"upload": {**upload, "index": index, "data": piece}}))
        frame = client.next_frame()
        assert frame["value"] == {"id": upload["id"], "index": index}, frame
    return upload["id"]


def test_the_request_is_the_one_that_botocore_makes(local, recorder):
    whole, in_pieces = content(1000), content(3 * PIECE + 1)
    session_id = str(uuid.uuid4())
    with WebSocketClient(local) as client:
        files = [
            {"name": "Grüße 1.pdf", "mediaType": "application/pdf"}
            | {"data": base64.b64encode(whole).decode(), "useCase": "CHAT"},
            {"name": "b.csv", "mediaType": "text/csv", "upload": upload(client, in_pieces)},
        ]
        message = {"prompt": "/files", "sessionId": session_id, "files": files}
        message |= {"sessionAttributes": {"plan": "gold"}}
        frames = client.send(json.dumps(message))
    assert told("Grüße 1.pdf", whole) in text_of(frames)
    assert told("b.csv", in_pieces, "CODE_INTERPRETER", "text/csv") in text_of(frames)
    exchange = recorder.exchanges[-1]

    def file(name, media_type, data, use):
        bytes_ = {"mediaType": media_type, "data": data}
        source = {"sourceType": "BYTE_CONTENT", "byteContent": bytes_}
        return {"name": name, "source": source, "useCase": use}

    BEDROCK.assert_sent(
        exchange,
        "InvokeAgent",
        agentId="LOCALAGENT",
        agentAliasId="LOCALALIAS",
        sessionId=session_id,
        inputText="/files",
        enableTrace=False,
        streamingConfigurations={"streamFinalResponse": True},
        sessionState={
            "sessionAttributes": {"plan": "gold"},
            "files": [
                file("Grüße 1.pdf", "application/pdf", whole, "CHAT"),
                file("b.csv", "text/csv", in_pieces, "CODE_INTERPRETER"),
            ],
        },
    )


def test_what_is_uploaded_goes_over_any_transport(client, local):
    data = content(100_000)
    with WebSocketClient(local) as other:
        id_ = upload(other, data)
    file = {"name": "a.pdf", "mediaType": "application/pdf", "upload": id_}
    frames = client.send(json.dumps({"prompt": "/files", "files": [file]}))
    assert told("a.pdf", data, "CODE_INTERPRETER") in text_of(frames)


@pytest.mark.parametrize(
    ("sizes", "is_taken"),
    [([1] * 5, True), ([1] * 6, False), ([5 * MIB] * 2, True), ([5 * MIB, 5 * MIB, 1], False)],
)
def test_the_scripted_agent_takes_as_much_as_bedrock(local, sizes, is_taken):
    def file(number, size):
        bytes_ = {"mediaType": "text/plain", "data": content(size)}
        source = {"sourceType": "BYTE_CONTENT", "byteContent": bytes_}
        return {"name": f"{number}.txt", "source": source, "useCase": "CHAT"}

    def invoke():
        return make_client("bedrock-agent-runtime", local.bedrock).invoke_agent(
            agentId="AGENT",
            agentAliasId="ALIAS",
            sessionId=str(uuid.uuid4()),
            inputText="/files",
            sessionState={"files": [file(number, size) for number, size in enumerate(sizes)]},
        )

    if not is_taken:
        with pytest.raises(ClientError) as raised:
            invoke()
        assert raised.value.response["Error"]["Code"] == "ValidationException"
        return
    chunks = [event["chunk"]["bytes"] for event in invoke()["completion"]]
    answer = b"".join(chunks).decode()
    for number, size in enumerate(sizes):
        assert told(f"{number}.txt", content(size), media_type="text/plain") in answer


def test_the_script_of_the_docs_runs(local, tmp_path):
    page = (REPOSITORY / "docs" / "connecting.md").read_text(encoding="utf-8")
    script = re.search(r"^```py upload\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]
    data = content(100_000)
    (tmp_path / "report.pdf").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-", "report.pdf"],
        input=script.replace("ws://127.0.0.1:8080/local", local.socket),
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert told("report.pdf", data, "CODE_INTERPRETER") in done.stdout
