"""An independent client of the local harness: boto3, which knows the API from AWS's own model.

Every scenario that the harness lists is walked through, and every event of it decoded.
"""

import json
import re
import uuid

import pytest
from aws_clients import AGENTCORE_REFUSALS, assert_modelled, make_client, unknown_members
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError
from botocore.parsers import ResponseParserError
from local_aws import LocalAws
from urllib3.exceptions import ProtocolError

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1"

TIMELINE = """{"turn":1}
{"messageStart":{"role":"assistant"}}
{"think":"I was written by hand.","index":1}
{"say":"Played."}
{"messageStop":{"stopReason":"end_turn"}}
{"metadata":{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3},"metrics":{"latencyMs":4}}}
"""

# The prompts of each scenario, by its first word. A scenario that is missing here fails a test.
PROMPTS = {
    "/tokens": ["/tokens 20 1000", "/tokens 20 0 1"],
    "/slow": ["/slow 0.1"],
    "/pause": ["/pause 2 0.1"],
    "/emoji": ["/emoji"],
    "/single": ["/single"],
    "/think": ["/think"],
    "/work": ["/work"],
    "/trace": ["/trace 40"],
    "/hook": ["/hook allow", "/hook deny", "/hook failed"],
    "/tool": [
        "/tool",
        "/tool 3",
        "/tool 3 together",
        "/tool empty",
        "/tool text",
        "/tool untyped",
        "/tool late",
        "/tool denied",
    ],
    "/limit": ["/limit max_tokens", "/limit guardrail_intervened", "/limit not_known_yet"],
    "/guardrail": ["/guardrail"],
    "/error": [
        "/error internalServerException 2",
        "/error validationException 2",
        "/error runtimeClientError 0",
    ],
    "/refuse": ["/refuse throttlingException 1"],
    "/cut": ["/cut 2"],
    "/corrupt": ["/corrupt 2"],
    "/unknown": ["/unknown"],
    "/odd": [
        "/odd start",
        "/odd indices",
        "/odd untyped",
        "/odd members",
        "/odd unstopped",
        "/odd empty",
    ],
    "/play": ["/play written.jsonl"],
    "/help": ["/help"],
    "an answer": ["hello"],
}

# What ends a stream otherwise than the harness says that it does.
RAISES = {
    "/error internalServerException 2": (EventStreamError, "internalServerException"),
    "/error validationException 2": (EventStreamError, "validationException"),
    "/error runtimeClientError 0": (EventStreamError, "runtimeClientError"),
    "/cut 2": (ProtocolError, ""),
    "/corrupt 2": (ChecksumMismatch, ""),
    # botocore gives up where a member of a union is missing. The relay must not.
    "/odd start": (ResponseParserError, ""),
}

# Those that have what the model does not know. botocore passes over events of an unknown type.
UNKNOWN = {"/odd members"}

# Those whose stream ends without `messageStop`.
UNSTOPPED = {"/hook failed", "/odd unstopped", "/odd empty"}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("timelines")
    (folder / "written.jsonl").write_text(TIMELINE)
    with LocalAws("--timelines", str(folder)) as local:
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
    """A session of its own."""

    def __init__(self, client):
        self.client = client
        self.session_id = f"session-{uuid.uuid4()}"

    def invoke(self, *messages, **values):
        response = self.client.invoke_harness(
            harnessArn=ARN,
            runtimeSessionId=self.session_id,
            messages=messages,
            **values,
        )
        return response["stream"]

    def ask(self, prompt, **values):
        return self.invoke(user({"text": prompt}), **values)

    def reply(self, calls, text="done", status="success"):
        """Sends a result of each call, with the calls before them, as all contracts want it."""
        uses = [{"toolUse": call} for call in calls]
        results = [
            {
                "toolResult": {
                    "toolUseId": call["toolUseId"],
                    "content": [{"text": text}],
                    "status": status,
                }
            }
            for call in calls
        ]
        return self.invoke({"role": "assistant", "content": uses}, user(*results))

    def stop(self, **values):
        return self.client.stop_runtime_session(
            agentRuntimeArn=ARN, runtimeSessionId=self.session_id, **values
        )


def test_every_scenario_that_the_harness_lists_is_walked_through(conversation):
    help_ = text_of(conversation.ask("/help"))
    listed = re.findall(r"^\| `(/\w+)", help_, re.MULTILINE)
    assert len(listed) > 15
    assert set(listed) == {name for name in PROMPTS if name.startswith("/")}


@pytest.mark.parametrize("prompt", [prompt for prompts in PROMPTS.values() for prompt in prompts])
def test_a_scenario_is_decoded_to_its_end(conversation, prompt):
    if prompt.startswith("/refuse"):
        with pytest.raises(conversation.client.exceptions.ThrottlingException):
            conversation.ask(prompt)
    events = []
    if prompt in RAISES:
        kind, code = RAISES[prompt]
        with pytest.raises(kind) as raised:
            for event in conversation.ask(prompt):
                events.append(event)
        if code:
            assert raised.value.response["Error"]["Code"] == code
            assert raised.value.response["Error"]["Message"]
        if prompt[-1].isdigit():
            numbers = range(1, int(prompt[-1]) + 1)
            assert text_of(events) == "".join(f"chunk {n} " for n in numbers)
        return
    events.extend(conversation.ask(prompt))
    assert bool(list(unknown_members(events))) == (prompt in UNKNOWN), prompt
    reasons = stop_reasons(events)
    assert bool(reasons) == (prompt not in UNSTOPPED)
    if prompt in UNSTOPPED:
        return
    if prompt.startswith("/limit"):
        assert reasons == [prompt.split()[1]]

    # Whoever is asked for results brings them, as often as it takes.
    rounds = 0
    while reasons[-1] == "tool_use":
        calls = pending_calls(events)
        assert calls
        events = list(conversation.reply(calls))
        reasons = stop_reasons(events)
        rounds += 1
    expected_rounds = {"/tool denied": 0, "/tool 3": 3}.get(prompt, int("/tool" in prompt))
    assert rounds == expected_rounds
    if rounds:
        assert "returned `done`" in text_of(events)
    assert reasons[-1] in {"end_turn", "guardrail_intervened"} or prompt.startswith("/limit")
    if prompt != "/odd empty":
        assert text_of(events)


def test_messages_of_the_model_have_their_cost(conversation):
    events = list(conversation.ask("/work"))
    assert {"metadata", "messageStart", "messageStop"} <= {key for event in events for key in event}
    costs = [event["metadata"] for event in events if "metadata" in event]
    assistants = [e for e in events if e.get("messageStart", {}).get("role") == "assistant"]
    assert len(costs) == len(assistants) == 4
    for cost in costs:
        usage = cost["usage"]
        assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
        assert cost["metrics"]["latencyMs"] > 0


def test_hooks_are_decoded(conversation):
    events = list(conversation.ask("/hook"))
    hooks = [event["hookEvent"] for event in events if "hookEvent" in event]
    assert [hook["type"] for hook in hooks] == [
        "before_invocation",
        "before_tool_call",
        "after_tool_call",
        "after_invocation",
    ]
    for hook in hooks:
        uuid.UUID(hook["hookEventId"])
    assert "hookEvent" in events[-1]


@pytest.mark.parametrize(("name", "status", "kind"), AGENTCORE_REFUSALS)
def test_a_refusal_is_the_modelled_exception(conversation, name, status, kind):
    with pytest.raises(ClientError) as raised:
        conversation.ask(f"/error {name}")
    assert_modelled(raised, status, kind)


def test_authorization_denied_is_a_500_without_a_name(conversation):
    with pytest.raises(ClientError) as raised:
        conversation.ask("/error authorizationDenied")
    assert raised.value.response["Error"]["Message"] == "Authorization denied"


GOOD = {
    "harnessArn": ARN,
    "runtimeSessionId": "s" * 33,
    "messages": [{"role": "user", "content": [{"text": "/slow 0"}]}],
}


def content(*blocks):
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def result(**values):
    block = {"toolUseId": "t1", "content": [{"text": "a"}], **values}
    return content({"toolResult": block})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"harnessArn": "arn:aws:bedrock-agentcore:us-east-1:1:harness/x"}, "harnessArn"),
        ({"harnessArn": ARN.replace("harness/", "runtime/")}, "harnessArn"),
        ({"qualifier": "1st"}, "qualifier"),
        ({"qualifier": "q" * 49}, "qualifier"),
        ({"runtimeSessionId": "s" * 32}, "runtimeSessionId"),
        ({"runtimeSessionId": "s" * 101}, "runtimeSessionId"),
        ({"runtimeSessionId": "a:b.c" * 10}, "runtimeSessionId"),
        ({"messages": []}, "must not be empty"),
        ({"messages": [{"role": "system", "content": [{"text": "a"}]}]}, "role"),
        (content(), "must not be empty"),
        (content({"text": ""}), "length"),
        (content({"toolUse": {"toolUseId": "t", "name": "n", "input": {}}}), "toolUse"),
        (result(toolUseId="t" * 65), "length"),
        (result(toolUseId="a b"), "pattern"),
        (result(status="perhaps"), "enum"),
        (result(content=[{"text": ""}]), "length"),
        (result(), "No tool call is pending"),
        ({"timeoutSeconds": 0}, "timeoutSeconds"),
        ({"maxIterations": -1}, "maxIterations"),
        ({"maxTokens": 0}, "maxTokens"),
        ({"systemPrompt": [{"text": ""}]}, "systemPrompt"),
        ({"allowedTools": ["a/b/c"]}, "allowedTools"),
        ({"tools": [{"type": "shell"}]}, "tools"),
        ({"traceParent": "x" * 1025}, "traceparent"),
    ],
)
def test_what_the_model_does_not_allow_is_a_validation_error(unchecked, values, reason):
    with pytest.raises(unchecked.exceptions.ValidationException) as raised:
        unchecked.invoke_harness(**{**GOOD, **values})
    assert reason in raised.value.response["Error"]["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_good_request_is_one(unchecked):
    stream = unchecked.invoke_harness(**GOOD, qualifier="DEFAULT", actorId="ada")["stream"]
    assert "in full" in text_of(stream)


def test_json_in_a_result_is_what_the_service_cannot_take(conversation):
    events = list(conversation.ask("/tool"))
    (call,) = pending_calls(events)
    block = {"toolUseId": call["toolUseId"], "content": [{"json": {"t": 14}}]}
    with pytest.raises(EventStreamError) as raised:
        list(conversation.invoke(user({"toolResult": block})))
    assert raised.value.response["Error"]["Code"] == "runtimeClientError"
    assert "unsupported type" in raised.value.response["Error"]["Message"]


def test_a_prompt_while_calls_are_pending_is_refused_until_their_results_are_here(conversation):
    (call,) = pending_calls(list(conversation.ask("/tool")))
    with pytest.raises(conversation.client.exceptions.ValidationException):
        conversation.ask("something new")
    cancelled = conversation.reply([call], "Tool execution cancelled by the user.", "error")
    assert "failed with" in text_of(cancelled)
    assert "in full" in text_of(conversation.ask("/slow 0"))


def test_a_busy_session_is_a_conflict_until_it_is_stopped(conversation):
    stream = conversation.ask("/pause 1 600")
    assert "messageStart" in next(iter(stream))
    with pytest.raises(ClientError) as raised:
        conversation.ask("/slow 0")
    assert raised.value.response["Error"]["Code"] == "RetryableConflictException"
    # Leaving does not end it.
    stream.close()
    with pytest.raises(ClientError):
        conversation.ask("/slow 0")

    token = str(uuid.uuid4())
    stopped = conversation.stop(clientToken=token, qualifier="DEFAULT")
    assert stopped["runtimeSessionId"] == conversation.session_id
    assert stopped["statusCode"] == 200
    assert conversation.stop(clientToken=token)["statusCode"] == 200
    with pytest.raises(conversation.client.exceptions.ResourceNotFoundException):
        conversation.stop()
    assert "turn 1 of this conversation" in text_of(conversation.ask("/slow 0"))


def test_stopping_ends_the_stream_that_is_read(conversation):
    stream = conversation.ask("/pause 1 600")
    events = iter(stream)
    assert "messageStart" in next(events)
    conversation.stop()
    rest = list(events)
    assert not stop_reasons(rest)


def test_what_is_no_harness_cannot_be_stopped(client):
    for arn in ["runtime-id", ARN.replace("harness/", "runtime/")]:
        with pytest.raises(client.exceptions.ValidationException):
            client.stop_runtime_session(agentRuntimeArn=arn, runtimeSessionId="s" * 33)


def test_a_run_ends_when_its_time_is_up(conversation):
    events = list(conversation.ask("/pause 2 600", timeoutSeconds=1))
    assert stop_reasons(events) == ["timeout_exceeded"]


# Helpers.


def user(*content):
    return {"role": "user", "content": list(content)}


def text_of(events):
    deltas = (event.get("contentBlockDelta", {}).get("delta", {}) for event in events)
    return "".join(delta.get("text", "") for delta in deltas)


def stop_reasons(events):
    return [event["messageStop"]["stopReason"] for event in events if "messageStop" in event]


def pending_calls(events):
    """The calls without a result, as they are sent again: the rule of the relay."""
    calls = {}
    inputs = {}
    for event in events:
        start = event.get("contentBlockStart", {}).get("start", {})
        if "toolUse" in start:
            id_ = start["toolUse"]["toolUseId"]
            calls[id_] = start["toolUse"]
            inputs[event["contentBlockStart"]["contentBlockIndex"]] = (id_, [])
        if "toolResult" in start:
            calls.pop(start["toolResult"]["toolUseId"], None)
        delta = event.get("contentBlockDelta", {})
        if "toolUse" in delta.get("delta", {}):
            id_, pieces = inputs[delta["contentBlockIndex"]]
            pieces.append(delta["delta"]["toolUse"]["input"])
            if id_ in calls:
                calls[id_]["input"] = as_json("".join(pieces))
    return list(calls.values())


def as_json(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {}
