"""An independent client of the local runtime: boto3, which knows the API from AWS's own model.

Every scenario that the agent on it lists is walked through. Its answer is the stream of bytes that boto3
gives, read line by line as AWS's examples do, and its events are decoded by AG-UI's own models.
"""

import json
import re
import uuid

import pytest
from ag_ui.core import RunAgentInput
from agui_events import assert_no_duplicates, assert_order, text_of, validated
from aws_clients import AGENTCORE_REFUSALS, assert_modelled, make_client, status_of
from botocore.exceptions import ClientError, ParamValidationError, ResponseStreamingError
from local_aws import LocalAws

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/local_runtime-LOCALRUNT1"

TIMELINE = """{"event":{"type":"RUN_STARTED","threadId":"${thread_id}","runId":"${run_id}"}}
{"think":"I was written by hand."}
{"say":"Played."}
{"event":{"type":"RUN_FINISHED","threadId":"${thread_id}","runId":"${run_id}","result":{"n":1.50}}}
"""

# The prompts of each scenario, by its first word. A scenario that is missing here fails a test.
PROMPTS = {
    "/tokens": ["/tokens 20 1000", "/tokens 20 0"],
    "/slow": ["/slow 0.1"],
    "/pause": ["/pause 2 0.1"],
    "/emoji": ["/emoji"],
    "/single": ["/single", "/single 8"],
    "/think": ["/think"],
    "/strands": ["/strands"],
    "/steps": ["/steps"],
    "/trace": ["/trace 8"],
    "/snapshot": ["/snapshot 8"],
    "/tool": ["/tool", "/tool 2", "/tool 3"],
    "/interrupt": ["/interrupt"],
    "/error": [
        "/error internalServerException 2",
        "/error validationException 2",
        "/error runtimeClientError 0",
        "/error RATE_LIMIT_EXCEEDED 2",
        "/error AGENT_ERROR 1",
    ],
    "/refuse": ["/refuse throttlingException 1", "/refuse SESSION_BUSY 1"],
    "/cut": ["/cut 2"],
    "/odd": [
        "/odd unknown",
        "/odd nulls",
        "/odd crlf",
        "/odd comments",
        "/odd quoted",
        "/odd chunks",
        "/odd unopened",
        "/odd words",
        "/odd failure",
        "/odd gaveup",
        "/odd unended",
        "/odd empty",
        "/odd json",
    ],
    "/play": ["/play written.jsonl"],
    "/help": ["/help"],
    "an answer": ["hello"],
}

# Those that end with `RUN_ERROR`, and its code.
ERRORS = {
    "/error internalServerException 2": "INTERNAL_ERROR",
    "/error validationException 2": "VALIDATION_ERROR",
    "/error runtimeClientError 0": "AGENT_ERROR",
    "/error RATE_LIMIT_EXCEEDED 2": "RATE_LIMIT_EXCEEDED",
    "/error AGENT_ERROR 1": "AGENT_ERROR",
}

# Those whose stream is none of AG-UI's; each has a test of its own.
ODD = {
    "/odd unknown",
    "/odd nulls",
    "/odd unopened",
    "/odd words",
    "/odd failure",
    "/odd gaveup",
    "/odd unended",
    "/odd empty",
    "/odd json",
}

# The platform's errors where the runtime's protocol is AG-UI, with the HTTP status.
RUN_ERRORS = [
    ("UNAUTHORIZED", 401),
    ("ACCESS_DENIED", 403),
    ("VALIDATION_ERROR", 400),
    ("RATE_LIMIT_EXCEEDED", 429),
    ("SESSION_BUSY", 409),
    ("SERVICE_QUOTA_EXCEEDED", 429),
    ("INTERNAL_ERROR", 500),
]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("timelines")
    (folder / "written.jsonl").write_text(TIMELINE)
    with LocalAws("--source", "runtime", "--timelines", str(folder)) as local:
        yield local


@pytest.fixture(scope="module")
def client(local):
    return make_client("bedrock-agentcore", local.agentcore)


@pytest.fixture(scope="module")
def unchecked(local):
    """A client that leaves it to the service to check what it sends."""
    return make_client("bedrock-agentcore", local.agentcore, parameter_validation=False)


@pytest.fixture
def conversation(client):
    return Conversation(client)


class Conversation:
    """A thread of its own, in a session of its own."""

    def __init__(self, client):
        self.client = client
        self.session_id = f"session-{uuid.uuid4()}"
        self.thread_id = f"thread-{uuid.uuid4()}"
        self.run_id = None
        """The last run's."""
        self.messages = []

    def invoke(self, prompt=None, **members):
        """The response to a prompt, or to what is in the history and these members of the input."""
        if prompt is not None:
            self.messages.append({"id": str(uuid.uuid4()), "role": "user", "content": prompt})
        self.run_id = str(uuid.uuid4())
        payload = input_of(self.thread_id, self.run_id, self.messages) | members
        # What is sent is what AG-UI's own agents take.
        RunAgentInput.model_validate(payload)
        return self.send(json.dumps(payload))

    def send(self, payload, **values):
        return self.client.invoke_agent_runtime(
            **(GOOD | self.address | {"payload": payload} | values)
        )

    def ask(self, prompt=None, **members):
        """The events of a run, each when it comes."""
        return decoded(self.invoke(prompt, **members))

    def reply(self, calls):
        """Adds a call's result to the history for each."""
        self.messages.append({"id": str(uuid.uuid4()), "role": "assistant", "toolCalls": calls})
        for call in calls:
            message = {"id": str(uuid.uuid4()), "role": "tool", "toolCallId": call["id"]}
            self.messages.append(message | {"content": "done"})

    def stop(self, **values):
        return self.client.stop_runtime_session(**(self.address | values))

    @property
    def address(self):
        return {"agentRuntimeArn": ARN, "runtimeSessionId": self.session_id}


def test_every_scenario_that_the_agent_lists_is_walked_through(conversation):
    help_ = text_of(validated_run(conversation, conversation.ask("/help")))
    listed = re.findall(r"^\| `(/\w+)", help_, re.MULTILINE)
    assert len(listed) > 15
    assert set(listed) == {name for name in PROMPTS if name.startswith("/")}
    odd = re.search(r"^\| `/odd.*$", help_, re.MULTILINE)[0]
    kinds = re.findall(r"`(\w+)`", odd)
    assert {f"/odd {kind}" for kind in kinds} == set(PROMPTS["/odd"])


@pytest.mark.parametrize(
    "prompt",
    [p for prompts in PROMPTS.values() for p in prompts if p not in ODD and p[:4] != "/cut"],
)
def test_a_scenario_is_decoded_to_its_end(conversation, prompt):
    if prompt.startswith("/refuse"):
        with pytest.raises(ClientError):
            conversation.invoke(prompt)
        conversation.messages.pop()
    events = validated_run(conversation, conversation.ask(prompt))
    if prompt in ERRORS:
        assert (events[-1].code, bool(events[-1].message)) == (ERRORS[prompt], True)
        assert text_of(events) == "".join(f"chunk {n} " for n in range(1, int(prompt[-1]) + 1))
        return
    assert events[-1].type == "RUN_FINISHED"
    # Whoever is asked for something brings it, as often as it takes.
    rounds = 0
    while (answer := next_run(conversation, events)) is not None:
        events = validated_run(conversation, answer)
        rounds += 1
    assert rounds == int(prompt.startswith(("/tool", "/interrupt")))
    assert spoken_in(event.model_dump(by_alias=True, mode="json") for event in events)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_results_of_calls_are_messages(conversation, number):
    calls = pending_calls(validated_run(conversation, conversation.ask(f"/tool {number}")))
    assert next(json.loads(call["function"]["arguments"]) for call in calls) == {
        "city": "Zürich",
        "days": 3,
    }
    conversation.reply(calls)
    said = spoken_in(conversation.ask())
    assert said.count("returned `done`") == number
    assert all(f"`{call['function']['name']}`" in said for call in calls)
    assert "still turn 1" in said


def test_an_interrupt_is_answered_with_what_resumes(conversation):
    finished = validated_run(conversation, conversation.ask("/interrupt"))[-1]
    (interrupt,) = finished.outcome.interrupts
    assert (interrupt.reason, interrupt.metadata) == ("tool_call", {"limit": 12.5})
    resume = [{"interruptId": interrupt.id, "status": "resolved", "payload": {"approved": 1.50}}]
    events = list(conversation.ask(resume=resume))
    assert f'`{interrupt.id}` is resolved with `{{"approved": 1.5}}`' in spoken_in(events)
    assert events[-1]["result"] == {"refunded": 12.5}


def test_numbers_and_nulls_are_as_the_agent_spells_them(conversation):
    body = conversation.invoke("/strands", state={"n": 1})["response"].read().decode()
    assert '"value":[{"id":"A-1017","total":12.50,"note":null}]' in body
    assert '"snapshot":{"n": 1}' in body


def test_what_strands_sends_comes_in_its_order(conversation):
    for prompt in ["/strands", "/odd crlf", "/odd quoted"]:
        events = validated_run(conversation, conversation.ask(prompt, state={"n": 1}))
        kinds = [event.type.value for event in events]
        assert (kinds.count("MESSAGES_SNAPSHOT"), kinds.count("STATE_DELTA")) == (4, 2)
        pieces = [event.tool_call_id[:6] for event in events if event.type == "TOOL_CALL_ARGS"]
        assert pieces == ["call-1", "call-2", "call-1", "call-2"]
        snapshots = [event.snapshot for event in events if event.type == "STATE_SNAPSHOT"]
        assert snapshots[0] == {"n": 1}
        assert events[-1].outcome.type == "success"


def test_characters_are_cut_anywhere(conversation):
    said = spoken_in(conversation.ask("/emoji"))
    assert said.startswith("Grüße aus Zürich!") and said.endswith("— fin 🎬")


def test_the_connection_breaks(conversation):
    body = b""
    with pytest.raises(ResponseStreamingError):
        # boto3's lines would lack the last one, which it holds back until there is more.
        for piece in conversation.invoke("/cut 2")["response"].iter_chunks(1):
            body += piece
    events = list(map(json.loads, messages(body.splitlines())))
    assert spoken_in(events) == "chunk 1 chunk 2 "
    assert events[-1]["type"] == "TEXT_MESSAGE_CONTENT"


def test_a_response_of_json_is_one(conversation):
    response = conversation.invoke("/odd json")
    assert response["contentType"] == "application/json"
    assert json.load(response["response"])["result"]


# What agents get wrong, as they send it.


def test_events_that_no_client_knows(conversation):
    events = odd(conversation, "unknown")
    kinds = [event["type"] if isinstance(event, dict) else event for event in events]
    assert kinds[:2] == ["RUN_STARTED", "HOLOGRAM_STARTED"]
    assert kinds[-4:] == ["STATE_DELTA", "MESSAGES_SNAPSHOT", [1, 2, 3], "RUN_FINISHED"]


def test_nulls_where_nothing_is(conversation):
    events = odd(conversation, "nulls")
    assert all(event["timestamp"] is None for event in events)
    assert (spoken_in(events), events[-1]["outcome"]) == ("No null is lost or kept.", None)


def test_what_has_not_begun_and_what_never_ends(conversation):
    events = odd(conversation, "unopened")
    assert [event["type"] for event in events[:2]] == ["TEXT_MESSAGE_CONTENT"] * 2
    with pytest.raises(AssertionError):
        assert_order(list(map(validated, events)))


def test_words_and_objects_that_are_no_events(conversation):
    assert odd(conversation, "words")[:3] == [
        "Words ",
        "without an event.",
        {"init_event_loop": True},
    ]


def test_the_error_object_of_awss_own_kit(conversation):
    *before, failure = odd(conversation, "failure")
    assert spoken_in(before) == "Before the failure."
    assert set(failure) == {"error", "error_type", "message"}


def test_an_agent_that_gives_up_and_goes_on(conversation):
    *_, error, after = odd(conversation, "gaveup")
    assert (error["type"], error["code"]) == ("RUN_ERROR", "STRANDS_ERROR")
    assert after["delta"] == "After the end."


def test_streams_that_do_not_say_that_they_end(conversation):
    assert odd(conversation, "unended")[-1]["type"] == "TEXT_MESSAGE_END"
    assert odd(conversation, "empty") == []


# Refusals.


@pytest.mark.parametrize(("name", "status", "kind"), AGENTCORE_REFUSALS)
def test_a_refusal_is_the_modelled_exception(conversation, name, status, kind):
    with pytest.raises(ClientError) as raised:
        conversation.invoke(f"/error {name}")
    assert_modelled(raised, status, kind)


@pytest.mark.parametrize(("code", "status"), RUN_ERRORS)
def test_an_error_of_the_platform_is_an_event_that_boto3_does_not_read(conversation, code, status):
    with pytest.raises(ClientError) as raised:
        conversation.invoke(f"/error {code}")
    assert type(raised.value) is ClientError
    # All that boto3 finds is the status; the event is its message.
    error = raised.value.response["Error"]
    assert (error["Code"], status_of(raised)) == (str(status), status)
    headers = raised.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "text/event-stream"
    (data,) = messages(error["Message"].encode().splitlines())
    event = validated(json.loads(data))
    assert (event.type, event.code, bool(event.message)) == ("RUN_ERROR", code, True)


def test_an_error_of_the_agent_is_a_good_response(conversation):
    response = conversation.invoke("/error AGENT_ERROR")
    assert (response["statusCode"], response["contentType"]) == (200, "text/event-stream")
    (event,) = map(validated, decoded(response))
    assert (event.type, event.code) == ("RUN_ERROR", "AGENT_ERROR")


# Requests.


def input_of(thread_id, run_id, messages):
    """An input with all that agents insist on."""
    return {
        "threadId": thread_id,
        "runId": run_id,
        "state": {},
        "messages": messages,
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }


SAYS = input_of("thread-1", "run-1", [{"id": "m", "role": "user", "content": "/slow 0"}])

GOOD = {
    "agentRuntimeArn": ARN,
    "runtimeSessionId": "s" * 33,
    "contentType": "application/json",
    "accept": "text/event-stream",
    "payload": json.dumps(SAYS),
}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"agentRuntimeArn": "local_runtime-LOCALRUNT1"}, "agentRuntimeArn"),
        ({"agentRuntimeArn": ARN.replace("000000000000", "1")}, "agentRuntimeArn"),
        ({"agentRuntimeArn": ARN.replace("LOCALRUNT1", "SHORT")}, "agentRuntimeArn"),
        ({"agentRuntimeArn": ARN.replace("runtime/", "harness/")}, "agentRuntimeArn"),
        ({"agentRuntimeArn": ARN.replace("local_", "harness_")}, "managed by a harness"),
        ({"qualifier": "1st"}, "qualifier"),
        ({"qualifier": "a-b"}, "qualifier"),
        ({"qualifier": "q" * 49}, "qualifier"),
        ({"runtimeSessionId": "s" * 32}, "runtimeSessionId"),
        ({"runtimeSessionId": "s" * 257}, "runtimeSessionId"),
    ],
)
def test_what_the_model_does_not_allow_is_a_validation_error(unchecked, values, reason):
    with pytest.raises(unchecked.exceptions.ValidationException) as raised:
        unchecked.invoke_agent_runtime(**(GOOD | values))
    assert reason in raised.value.response["Error"]["Message"]
    assert status_of(raised) == 400


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"qualifier": "DEFAULT"},
        {"qualifier": "live_1"},
        {"runtimeSessionId": "any sign: of.255/ " * 14},
        {"contentType": "application/json; charset=utf-8"},
        {"accept": "*/*"},
        {"runtimeUserId": "ada", "traceParent": "00-1-2-03", "baggage": "a=b", "mcpSessionId": "m"},
    ],
)
def test_a_good_request_is_one(client, values):
    # The session may be any, and each has one run at a time.
    values = {"runtimeSessionId": str(uuid.uuid4())} | values
    response = client.invoke_agent_runtime(**(GOOD | values))
    assert (response["statusCode"], response["contentType"]) == (200, "text/event-stream")
    assert response["runtimeSessionId"] == values["runtimeSessionId"].strip()
    assert "in full" in spoken_in(decoded(response))


def test_boto3_names_a_session_that_nobody_has_named(client):
    values = {name: value for name, value in GOOD.items() if name != "runtimeSessionId"}
    ids = set()
    for _ in range(2):
        response = client.invoke_agent_runtime(**values)
        ids.add(str(uuid.UUID(response["runtimeSessionId"])))
        assert "in full" in spoken_in(decoded(response))
    assert len(ids) == 2


def test_boto3_itself_refuses_a_session_id_that_is_too_short(client):
    with pytest.raises(ParamValidationError):
        client.invoke_agent_runtime(**(GOOD | {"runtimeSessionId": "s" * 32}))


@pytest.mark.parametrize(
    ("values", "status"),
    [
        # Without a type, boto3 says that it is a stream of bytes.
        ({"contentType": None}, 415),
        ({"contentType": "text/plain"}, 415),
        ({"contentType": "application/octet-stream"}, 415),
        ({"payload": "no JSON"}, 422),
        ({"payload": "[]"}, 422),
        ({"payload": ""}, 422),
        ({"payload": '{"prompt":"hello"}'}, 422),
        *[
            ({"payload": json.dumps({n: v for n, v in SAYS.items() if n != name})}, 422)
            for name in SAYS
        ],
        ({"payload": json.dumps(SAYS | {"tools": None})}, 422),
        ({"payload": json.dumps(SAYS | {"messages": []})}, 400),
    ],
)
def test_what_the_agents_own_server_refuses_is_an_error_of_the_runtimes_client(
    client, values, status
):
    values = {name: value for name, value in (GOOD | values).items() if value is not None}
    with pytest.raises(client.exceptions.RuntimeClientError) as raised:
        client.invoke_agent_runtime(**values)
    assert f"Received error ({status}) from runtime" in raised.value.response["Error"]["Message"]
    assert status_of(raised) == 424


# Sessions.


def test_a_busy_session_is_a_conflict_until_it_is_stopped(conversation):
    response = conversation.invoke("/pause 1 600")
    assert next(decoded(response))["type"] == "RUN_STARTED"
    assert_busy(conversation)
    # Leaving does not end it.
    response["response"].close()
    assert_busy(conversation)

    token = str(uuid.uuid4())
    stopped = conversation.stop(clientToken=token, qualifier="DEFAULT")
    assert (stopped["statusCode"], stopped["runtimeSessionId"]) == (200, conversation.session_id)
    # The same request may come again, another one finds nothing.
    assert conversation.stop(clientToken=token)["statusCode"] == 200
    with pytest.raises(conversation.client.exceptions.ResourceNotFoundException) as raised:
        conversation.stop()
    assert status_of(raised) == 404
    # The agent keeps its history outside of its machine.
    assert "turn 2 of this conversation" in spoken_in(conversation.ask("/slow 0"))


def test_a_busy_session_is_free_when_its_run_has_ended(conversation):
    events = conversation.ask("/pause 1 0.5")
    assert next(events)["type"] == "RUN_STARTED"
    assert_busy(conversation)
    assert list(events)[-1]["type"] == "RUN_FINISHED"
    assert "turn 2" in spoken_in(conversation.ask("/slow 0"))


def test_stopping_ends_the_stream_that_is_read(conversation):
    events = conversation.ask("/pause 1 600")
    assert next(events)["type"] == "RUN_STARTED"
    conversation.stop()
    assert "RUN_FINISHED" not in [event["type"] for event in events]


def test_each_endpoint_has_sessions_of_its_own(conversation):
    events = conversation.ask("/pause 1 600")
    assert next(events)["type"] == "RUN_STARTED"
    elsewhere = conversation.send(json.dumps(SAYS), qualifier="live")
    assert "in full" in spoken_in(decoded(elsewhere))
    with pytest.raises(conversation.client.exceptions.ResourceNotFoundException):
        conversation.stop(qualifier="other")
    assert_busy(conversation)
    assert conversation.stop()["statusCode"] == 200


def test_the_agent_believes_the_thread_whatever_the_session_is(client):
    first, second = Conversation(client), Conversation(client)
    assert "turn 1" in spoken_in(first.ask("/slow 0"))
    second.thread_id = first.thread_id
    assert "turn 2" in spoken_in(second.ask("/slow 0"))
    second.thread_id = f"thread-{uuid.uuid4()}"
    assert "turn 1" in spoken_in(second.ask("/slow 0"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"agentRuntimeArn": "runtime-id"}, "agentRuntimeArn"),
        ({"agentRuntimeArn": ARN.replace("local_", "harness_")}, "managed by a harness"),
        ({"qualifier": "1st"}, "qualifier"),
        ({"runtimeSessionId": "s" * 32}, "runtimeSessionId"),
        ({"clientToken": "t" * 32}, "clientToken"),
        ({"clientToken": "-" * 40}, "clientToken"),
    ],
)
def test_what_is_no_session_of_a_runtime_cannot_be_stopped(unchecked, values, reason):
    session = {"agentRuntimeArn": ARN, "runtimeSessionId": "s" * 33}
    with pytest.raises(unchecked.exceptions.ValidationException) as raised:
        unchecked.stop_runtime_session(**(session | values))
    assert reason in raised.value.response["Error"]["Message"]


# Helpers.


def messages(lines):
    """The data of server-sent events; the last may lack its blank line."""
    data = []
    for line in lines:
        if line.startswith(b"data:"):
            data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data).decode()
            data = []
    if data:
        yield b"\n".join(data).decode()


def decoded(response):
    """The events of a response, each when it comes, in JSON."""
    assert response["contentType"] == "text/event-stream"
    # By single bytes, or the reader would wait for what comes next.
    for data in messages(response["response"].iter_lines(chunk_size=1)):
        if data != "[DONE]":
            yield from unquoted(json.loads(data))


def unquoted(event):
    """An event, which may stand in a string of JSON once more."""
    if isinstance(event, str) and event.startswith("data:"):
        return map(json.loads, messages(event.encode().splitlines()))
    return [event]


def validated_run(conversation, events):
    """The events of a run in AG-UI's own models, and in its order."""
    events = list(map(validated, events))
    assert_order(events)
    assert_no_duplicates(events)
    for event in events:
        if event.type in ("RUN_STARTED", "RUN_FINISHED"):
            assert (event.thread_id, event.run_id) == (conversation.thread_id, conversation.run_id)
    return events


def odd(conversation, kind):
    """The events that agents get wrong in this way."""
    return list(conversation.ask(f"/odd {kind}"))


def next_run(conversation, events):
    """The events of the run that brings what a run asks for; None if it asks for nothing."""
    if interrupts := getattr(events[-1].outcome, "interrupts", None):
        answer = {"status": "resolved", "payload": {"approved": True}}
        return conversation.ask(resume=[{"interruptId": each.id} | answer for each in interrupts])
    if calls := pending_calls(events):
        conversation.reply(calls)
        return conversation.ask()
    return None


def pending_calls(events):
    """The calls without a result, as they stand in a history."""
    calls = {}
    for event in events:
        match event.type:
            case "TOOL_CALL_START":
                function = {"name": event.tool_call_name, "arguments": ""}
                id_ = event.tool_call_id
                calls[id_] = {"id": id_, "type": "function", "function": function}
            case "TOOL_CALL_ARGS":
                calls[event.tool_call_id]["function"]["arguments"] += event.delta
            case "TOOL_CALL_RESULT":
                calls.pop(event.tool_call_id, None)
    return list(calls.values())


def spoken_in(events):
    """The text of events, in either form."""
    kinds = ("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK")
    events = (event for event in events if isinstance(event, dict) and event["type"] in kinds)
    return "".join(event["delta"] for event in events)


def assert_busy(conversation):
    with pytest.raises(conversation.client.exceptions.RetryableConflictException) as raised:
        conversation.send(json.dumps(SAYS))
    assert status_of(raised) == 409
