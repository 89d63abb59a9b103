"""An independent client of the local AWS: boto3, which knows both APIs from AWS's own models."""

import json
import uuid

import pytest
from aws_clients import SECONDS, make_client, unknown_members
from botocore.exceptions import ClientError, EventStreamError
from local_aws import LocalAws
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def local():
    # With one function at a time, a second message shows the gateway's own frames.
    with LocalAws("--concurrency", "1") as local:
        yield local


@pytest.fixture(scope="module")
def invoke(local):
    """A function that invokes the agent in a session of its own."""
    client = make_client("bedrock-agent-runtime", local.bedrock)

    def invoke(prompt, *, trace=False, stream=True):
        return client.invoke_agent(
            agentId="AGENT",
            agentAliasId="ALIAS",
            sessionId=str(uuid.uuid4()),
            inputText=prompt,
            enableTrace=trace,
            streamingConfigurations={"streamFinalResponse": stream},
        )

    return invoke


@pytest.fixture(scope="module")
def management(local):
    """The client of the gateway's `@connections`."""
    return make_client("apigatewaymanagementapi", local.callbacks)


@pytest.fixture
def connection(local):
    """An open WebSocket connection and its id, with no answer under way."""
    with connect(local.socket, open_timeout=SECONDS) as socket:
        yield socket, connection_id(socket)


def test_the_default_answer_comes_in_chunks_with_citations_and_trace(invoke):
    response = invoke("hello", trace=True)
    assert response["contentType"] == "application/json"
    events = list(response["completion"])
    assert {key for event in events for key in event} == {"chunk", "trace"}
    assert not list(unknown_members(events))

    chunks = [event["chunk"] for event in events if "chunk" in event]
    assert len(chunks) > 1
    citations = [
        citation
        for chunk in chunks
        for citation in chunk.get("attribution", {}).get("citations", [])
    ]
    assert citations
    for citation in citations:
        assert citation["generatedResponsePart"]["textResponsePart"]["text"]
        assert citation["retrievedReferences"]

    traces = [event["trace"] for event in events if "trace" in event]
    assert "trace" in events[0], "the agent thinks before it speaks"
    for trace in traces:
        assert trace["sessionId"] == response["sessionId"]
        assert (trace["agentId"], trace["agentAliasId"]) == ("AGENT", "ALIAS")
        assert len(trace["trace"]) == 1
    kinds = {kind for trace in traces for kind in trace["trace"]}
    assert {"preProcessingTrace", "orchestrationTrace"} <= kinds
    steps = {step for trace in traces for step in trace["trace"].get("orchestrationTrace", {})}
    assert {
        "rationale",
        "invocationInput",
        "modelInvocationInput",
        "modelInvocationOutput",
        "observation",
    } <= steps


def test_without_streaming_and_trace_the_same_answer_is_one_chunk(invoke):
    streamed = text_of(invoke("hello")["completion"])
    events = list(invoke("hello", stream=False)["completion"])
    assert len(events) == 1
    assert text_of(events) == streamed


def test_without_trace_there_are_chunks_only(invoke):
    assert {key for event in invoke("hello")["completion"] for key in event} == {"chunk"}


def test_emoji_come_byte_by_byte(invoke):
    pieces = [event["chunk"]["bytes"] for event in invoke("/emoji")["completion"]]
    assert {len(piece) for piece in pieces} == {1}
    text = b"".join(pieces).decode()
    assert any(ord(character) > 0xFFFF for character in text)


def test_an_exception_in_mid_stream_comes_after_its_chunks(invoke):
    chunks = []
    with pytest.raises(EventStreamError) as raised:
        for event in invoke("/error throttlingException 3")["completion"]:
            chunks.append(event["chunk"]["bytes"])
    assert len(chunks) == 3
    assert raised.value.response["Error"]["Code"] == "throttlingException"
    assert raised.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("AccessDeniedException", 403),
        ("BadGatewayException", 502),
        ("ConflictException", 409),
        ("DependencyFailedException", 424),
        ("InternalServerException", 500),
        ("ModelNotReadyException", 424),
        ("ResourceNotFoundException", 404),
        ("ServiceQuotaExceededException", 400),
        ("ThrottlingException", 429),
        ("ValidationException", 400),
    ],
)
def test_an_exception_as_first_response_is_the_modelled_one(invoke, name, status):
    with pytest.raises(ClientError) as raised:
        invoke(f"/error {name[0].lower()}{name[1:]}")
    # boto3 makes a class of its own for each exception that its model names.
    assert type(raised.value).__name__ == name
    assert raised.value.response["Error"]["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_post_reaches_the_client(management, connection):
    socket, id_ = connection
    management.post_to_connection(ConnectionId=id_, Data="Grüße 👋".encode())
    assert socket.recv(SECONDS) == "Grüße 👋"


def test_a_live_connection_can_be_inspected(management, connection):
    _, id_ = connection
    answer = management.get_connection(ConnectionId=id_)
    assert answer["ConnectedAt"] <= answer["LastActiveAt"]
    assert answer["Identity"]["SourceIp"] == "127.0.0.1"


def test_a_message_over_128_kib_is_refused(management, connection):
    socket, id_ = connection
    with pytest.raises(management.exceptions.PayloadTooLargeException):
        management.post_to_connection(ConnectionId=id_, Data=b"x" * (128 * 1024 + 1))
    management.post_to_connection(ConnectionId=id_, Data=b"x" * (128 * 1024))
    assert len(socket.recv(SECONDS)) == 128 * 1024


def test_a_deleted_connection_closes_and_is_gone(management, connection):
    socket, id_ = connection
    management.delete_connection(ConnectionId=id_)
    with pytest.raises(ConnectionClosed):
        socket.recv(SECONDS)
    assert_gone(management, id_)


def test_a_connection_that_the_client_closed_is_gone(management, connection):
    socket, id_ = connection
    socket.close()
    assert_gone(management, id_)


def test_a_connection_that_never_was_is_gone(management):
    assert_gone(management, "JKJZ8fTwSQhgCIhw=")


# Helpers.


def connection_id(socket):
    """The gateway's name of the connection, which a client sees in the gateway's own frames.

    While the one function is at work, the gateway answers a second message itself.
    """
    socket.send(json.dumps({"prompt": "/slow 1"}))
    frame = json.loads(socket.recv(SECONDS))
    assert frame["type"] == "RUN_STARTED", frame
    socket.send(json.dumps({"prompt": "too soon"}))
    id_ = None
    while frame.get("type") != "RUN_FINISHED":
        frame = json.loads(socket.recv(SECONDS))
        id_ = frame.get("connectionId", id_)
    assert id_, "the gateway refused no message"
    return id_


def assert_gone(management, id_):
    calls = [
        lambda: management.post_to_connection(ConnectionId=id_, Data=b"?"),
        lambda: management.get_connection(ConnectionId=id_),
        lambda: management.delete_connection(ConnectionId=id_),
    ]
    for call in calls:
        with pytest.raises(management.exceptions.GoneException):
            call()


def text_of(events):
    return b"".join(event["chunk"]["bytes"] for event in events).decode()
