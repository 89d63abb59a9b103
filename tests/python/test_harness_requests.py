"""What the function sends to the harness, beside what botocore makes of the same values.

A client talks to the scripted harness and answers its calls. The expected request is built from the
harness' own events and the client's words, and serialised by botocore with AWS's model of the API.
"""

import base64
import hashlib
import itertools
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from openid_provider import AUDIENCE, base64url
from recorded_deployment import (
    AGENTCORE,
    FUNCTION_SECONDS,
    SESSION_HEADER,
    RecordedConversation,
    deployments,
)
from recorder import digits
from relay_client import History, HttpClient, WebSocketClient, user_hash
from texts import AWKWARD, MARKER, NUMBERS, ODD_JSON, PROMPTS

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1"

# How often the function sends a request that is throttled.
ATTEMPTS = 5

CANCELLED = "Tool execution cancelled by the user."

# The names and inputs of calls.
INPUTS = {
    "Exact-numbers_2": NUMBERS,
    "text": ODD_JSON,
    "number": "0.10",
    "list": ' [1.50, "x"] ',
}


def timeline():
    """A timeline for `/play` that asks for these calls, and takes their results."""
    events = [{"turn": 1}, {"messageStart": {"role": "assistant"}}]
    for index, (name, input_) in enumerate(INPUTS.items()):
        use = {"toolUseId": f"tooluse_${{id}}_{index}", "name": name, "type": "tool_use"}
        events.append({"toolUse": use, "input_text": input_, "index": index})
    events.append({"messageStop": {"stopReason": "tool_use"}})
    events += [{"turn": 2}, {"messageStart": {"role": "assistant"}}, {"say": "Thank you."}]
    events.append({"messageStop": {"stopReason": "end_turn"}})
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.fixture(scope="module")
def deploy(tmp_path_factory):
    """A function that makes a deployment; those that it made end with the module."""
    with deployments(tmp_path_factory, "harness", {"calls.jsonl": timeline()}) as deploy:
        yield deploy


@pytest.fixture(scope="module")
def full(deploy):
    """One like `stopping`, with an endpoint, and with a memory that all share, which keeps no answers."""
    return deploy(
        "--stop-on-leave=true",
        "--resume-hours=0",
        HARNESS_ENDPOINT="live_1",
        MEMORY_ID="team/ada:2",
        KEEPALIVE_SECONDS="1",
    )


@pytest.fixture(scope="module")
def signed_in(deploy, provider):
    """One whose users sign in."""
    access = f"--oidc-issuer={provider.issuer}", f"--oidc-audience={AUDIENCE}"
    return deploy(*access, "--stop-on-leave=true")


@pytest.fixture(params=["short form", "RunAgentInput"])
def conversation(request, plain):
    """A conversation in either form of a message."""
    with Conversation(plain, agui=request.param == "RunAgentInput") as conversation:
        yield conversation


@pytest.fixture(params=["short form", "RunAgentInput"])
def full_conversation(request, full):
    with Conversation(full, agui=request.param == "RunAgentInput") as conversation:
        yield conversation


@pytest.fixture
def agui_conversation(plain):
    with Conversation(plain) as conversation:
        yield conversation


@pytest.fixture
def short_conversation(plain):
    with Conversation(plain, agui=False) as conversation:
        yield conversation


class Conversation(RecordedConversation):
    """A client that keeps a history as AG-UI's clients do, and sends it where that is the form."""

    def __init__(self, deployment, *, agui=True, user=None, token=None, client=None):
        client = client or WebSocketClient(deployment.local, token=token)
        super().__init__(deployment, client, user=user)
        self.agui = agui
        self._history = History()

    @property
    def messages(self):
        return self._history.messages

    @property
    def actor_id(self):
        memory = self.deployment.environment.get("MEMORY_ID")
        if memory or not self.user:
            return memory
        # An actor's id begins with a letter or digit.
        hash_ = user_hash(self.user)
        return f"u{hash_}" if hash_[0] in "-_" else hash_

    def ask(self, prompt, **options):
        """Sends a prompt; options go where the form has them."""
        self.messages.append({"id": unique("question"), "role": "user", "content": prompt})
        forwarded = {"forwardedProps": options} if options else {}
        return self.run({"prompt": prompt} | options, forwarded)

    def answer(self, answers):
        """Sends answers, each the id of a tool call with `content`, `error`, `confirmed`."""
        resume = []
        for answer in answers:
            id_ = answer["toolCallId"]
            if "confirmed" in answer:
                payload = {"confirmed": answer["confirmed"]}
                resume.append({"interruptId": id_, "status": "resolved", "payload": payload})
            if "content" in answer or "error" in answer:
                self.add_result(answer)
        return self.run({"toolResults": answers}, {"resume": resume} if resume else {})

    def add_result(self, answer):
        """Adds a result to the history."""
        said = {name: value for name, value in answer.items() if name != "confirmed"}
        message = {"id": unique("result"), "role": "tool", "content": ""}
        self.messages.append(message | said)

    def run(self, short_form, agui):
        """Sends a message; returns the frames and what went between function and harness."""
        if self.agui:
            message = {
                "threadId": self.session_id,
                "runId": str(uuid.uuid4()),
                "messages": self.messages,
            } | agui
        else:
            message = {"sessionId": self.session_id} | short_form
        return self.send(json.dumps(message))

    def send(self, message):
        frames, exchanges = super().send(message)
        self._history.hear(frames)
        return frames, exchanges

    def ask_and_leave(self, prompt):
        self.send_and_leave(json.dumps({"prompt": prompt, "sessionId": self.session_id}))


# Prompts.


@pytest.mark.parametrize("agui", [False, True])
def test_a_prompt_is_one_message(plain, agui):
    def ask(prompt, options):
        with Conversation(plain, agui=agui) as conversation:
            frames, _ = conversation.ask(prompt, **options)
        assert frames[-1]["type"] == "RUN_FINISHED"
        (exchange,) = conversation.exchanges()
        assert_invocation(conversation, exchange, [said(prompt)])

    # Several at once, since the scripted harness speaks slowly: half as many as the function takes, which
    # is busy for a moment after the last frame, writing the end to the table.
    cases = itertools.product(PROMPTS, [{}, {"trace": True}])
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(ask, *zip(*cases)))


def test_a_clients_trace_is_sent_as_botocore_sends_it(plain):
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=1,other@tenant=2",
        "baggage": f"session.id={MARKER}",
    }
    with Conversation(
        plain, agui=False, client=HttpClient(plain.local, headers=headers)
    ) as conversation:
        frames, (exchange,) = conversation.ask("/slow 0")
    assert frames[-1]["type"] == "RUN_FINISHED"
    assert_invocation(
        conversation,
        exchange,
        [said("/slow 0")],
        traceParent=headers["traceparent"],
        traceState=headers["tracestate"],
        traceId="Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1",
    )


def test_every_prompt_is_sent_without_those_before_it(conversation):
    for prompt in ["/slow 0", "/think", "/emoji"]:
        _, exchanges = conversation.ask(prompt, trace=True)
        (exchange,) = exchanges
        assert_invocation(conversation, exchange, [said(prompt)])


def test_the_parts_of_a_prompt_are_one_text(agui_conversation):
    parts = [{"type": "text", "text": part} for part in ["one ", "", "two\n", "🌦️"]]
    _, exchanges = agui_conversation.ask(parts)
    (exchange,) = exchanges
    assert_invocation(agui_conversation, exchange, [said("one two\n🌦️")])


def test_characters_need_not_be_escaped(short_conversation):
    message = {"prompt": AWKWARD, "sessionId": short_conversation.session_id}
    _, exchanges = short_conversation.send(json.dumps(message, ensure_ascii=False))
    (exchange,) = exchanges
    assert_invocation(short_conversation, exchange, [said(AWKWARD)])


def test_an_attempt_after_a_refusal_is_the_same_request(conversation):
    frames, exchanges = conversation.ask("/refuse throttlingException 2")
    assert frames[-1]["type"] == "RUN_FINISHED"
    assert [exchange.status for exchange in exchanges] == [429, 429, 200]
    for exchange in exchanges:
        assert_invocation(conversation, exchange, [said("/refuse throttlingException 2")])


# Results of inline functions.

DONE = {"content": "21 °C"}
FAILED = {"error": "no sensor"}
NO = {"confirmed": False}

# What the harness is told of a result: the text, and the status.
TOLD = {
    "done": (DONE, "21 °C", "success"),
    "awkward": ({"content": AWKWARD}, AWKWARD, "success"),
    "empty": ({"content": ""}, "(nothing was returned)", "success"),
    "white space": ({"content": " \n"}, " \n", "success"),
    "long": ({"content": "ü" * 5_000}, "ü" * 5_000, "success"),
    "failed": (FAILED, "no sensor", "error"),
    "failed awkwardly": ({"error": AWKWARD}, AWKWARD, "error"),
    "failed without a word": ({"error": ""}, "(nothing was returned)", "error"),
    "failed with content": ({"content": "half of it", "error": "x"}, "x\n\nhalf of it", "error"),
    "denied": (NO, "The user declined the call.", "error"),
    "denied with a reason": (NO | {"content": "too late"}, "too late", "error"),
    "confirmed": ({"confirmed": True} | DONE, "21 °C", "success"),
}


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [("/tool", answer) for answer in TOLD]
    + [(f"/tool {kind}", "done") for kind in ["empty", "text", "untyped", "late"]]
    + [("/tool text", "awkward"), ("/tool empty", "failed")],
)
def test_a_result_follows_its_call(conversation, prompt, answer):
    frames, exchanges = conversation.ask(prompt)
    answer, text, status = TOLD[answer]
    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)

    frames, exchanges = conversation.answer([{"toolCallId": id_} | answer])

    assert frames[-1]["type"] == "RUN_FINISHED"
    (exchange,) = exchanges
    assert_invocation(conversation, exchange, returned([(call, text, status)]))


def test_the_input_of_a_call_goes_back_as_it_came(plain):
    expected = {
        "/tool": {"city": "Zürich", "days": digits("3")},
        # A call must have an input, and it must be JSON.
        "/tool empty": {},
        "/tool text": '{"note": "this is cut',
    }
    for prompt, input_ in expected.items():
        with Conversation(plain) as conversation:
            frames, exchanges = conversation.ask(prompt)
            (call,) = pending_calls(exchanges)
            assert call["input"] == input_
            (id_,) = ids_of_calls(frames)
            _, exchanges = conversation.answer([{"toolCallId": id_} | DONE])
            assert_invocation(conversation, exchanges[0], returned([(call, "21 °C", "success")]))


@pytest.mark.parametrize("trace", [False, True])
def test_numbers_in_the_input_of_a_call_keep_their_digits(conversation, trace):
    frames, exchanges = conversation.ask("/play calls.jsonl", trace=trace)
    calls = pending_calls(exchanges)
    assert [call["name"] for call in calls] == list(INPUTS)
    assert calls[0]["input"]["price"] == digits("1.10")
    ids = ids_of_calls(frames)

    frames, exchanges = conversation.answer([{"toolCallId": id_} | DONE for id_ in ids])

    assert frames[-1]["type"] == "RUN_FINISHED"
    (exchange,) = exchanges
    results = [(call, "21 °C", "success") for call in calls]
    assert_invocation(conversation, exchange, returned(results))
    # Not even white space is lost.
    for input_ in INPUTS.values():
        assert f'"input":{input_.strip()}'.encode() in exchange.body


@pytest.mark.parametrize("number", [2, 3, 5])
def test_calls_that_come_together_are_answered_together(conversation, number):
    prompt = f"/tool {number} together"
    frames, exchanges = conversation.ask(prompt)
    calls = pending_calls(exchanges)
    ids = ids_of_calls(frames)
    assert len(calls) == len(ids) == number
    told = [TOLD["awkward"], TOLD["failed"], TOLD["denied"], TOLD["empty"], TOLD["done"]][:number]

    frames, exchanges = conversation.answer(
        [{"toolCallId": id_} | answer for id_, (answer, _, _) in zip(ids, told)]
    )

    assert frames[-1]["type"] == "RUN_FINISHED"
    (exchange,) = exchanges
    results = [(call, text, status) for call, (_, text, status) in zip(calls, told)]
    if conversation.agui:
        # Its denials stand in `resume`, and so behind the results in `messages`.
        results.sort(key=lambda result: result[1] == TOLD["denied"][1])
    assert_invocation(conversation, exchange, returned(results))


def test_calls_that_come_one_after_another_are_answered_one_after_another(conversation):
    frames, exchanges = conversation.ask("/tool 3")
    for name in ["awkward", "failed", "done"]:
        answer, text, status = TOLD[name]
        (call,) = pending_calls(exchanges)
        (id_,) = ids_of_calls(frames)
        frames, exchanges = conversation.answer([{"toolCallId": id_} | answer])
        assert frames[-1]["type"] == "RUN_FINISHED"
        (exchange,) = exchanges
        assert_invocation(conversation, exchange, returned([(call, text, status)]))
    assert not ids_of_calls(frames)


def test_some_results_of_several_calls_are_sent_as_they_are(conversation):
    frames, exchanges = conversation.ask("/tool 3 together")
    calls = pending_calls(exchanges)
    ids = ids_of_calls(frames)
    frames, exchanges = conversation.answer([{"toolCallId": ids[1]} | DONE])
    # The harness waits for all of them, and says so.
    assert frames[-1]["code"] == "validation"
    (exchange,) = exchanges
    assert_invocation(conversation, exchange, returned([(calls[1], "21 °C", "success")]))
    # A history has the first result still; a client without one repeats it.
    others = [{"toolCallId": ids[0]} | FAILED, {"toolCallId": ids[2]} | DONE]
    repeated = [] if conversation.agui else [{"toolCallId": ids[1]} | DONE]
    frames, exchanges = conversation.answer(repeated + others)
    assert frames[-1]["type"] == "RUN_FINISHED"
    (exchange,) = exchanges
    results = [
        (calls[1], "21 °C", "success"),
        (calls[0], "no sensor", "error"),
        (calls[2], "21 °C", "success"),
    ]
    assert_invocation(conversation, exchange, returned(results))


@pytest.mark.parametrize(
    "input_",
    ['{}}}],"tools":[{"type":"shell"}],"x":[{"y":{"z":{}', '{"a":1},"type":"mcp_tool_use"', "[["],
)
def test_a_forged_call_stays_a_call(conversation, input_):
    """The id of a call is the client's to send, and so is the input that it holds."""
    frames, exchanges = conversation.ask("/tool")
    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    id_ = json.loads(base64.urlsafe_b64decode(id_ + "=="))
    id_ = base64url(json.dumps(id_ | {"i": input_}).encode())
    _, exchanges = conversation.answer([{"toolCallId": id_} | DONE])
    (exchange,) = exchanges
    call["input"] = input_
    assert_invocation(conversation, exchange, returned([(call, "21 °C", "success")]))


@pytest.mark.parametrize("status", ["cancelled", "resolved"])
def test_a_call_can_be_denied_as_an_interrupt_is(agui_conversation, status):
    frames, exchanges = agui_conversation.ask("/tool")
    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    resume = [{"interruptId": id_, "status": status, "payload": {"confirmed": False}}]
    _, exchanges = agui_conversation.run({}, {"resume": resume})
    (exchange,) = exchanges
    declined = (call, "The user declined the call.", "error")
    assert_invocation(agui_conversation, exchange, returned([declined]))


@pytest.mark.parametrize(
    "answers", [[], [{"confirmed": True}], [{"content": "x", "toolCallId": "y"}]]
)
def test_what_is_no_result_is_not_sent(short_conversation, answers):
    frames, _ = short_conversation.ask("/tool")
    (id_,) = ids_of_calls(frames)
    frames, exchanges = short_conversation.answer([{"toolCallId": id_} | a for a in answers])
    assert frames[-1]["code"] == "invalid_request"
    assert not exchanges


def test_a_result_for_another_conversation_is_not_sent(conversation, plain):
    frames, _ = conversation.ask("/tool")
    (id_,) = ids_of_calls(frames)
    with Conversation(plain, agui=False) as other:
        frames, exchanges = other.answer([{"toolCallId": id_} | DONE])
    assert frames[-1]["code"] == "invalid_request"
    assert not exchanges


# Something new while calls are pending.


@pytest.mark.parametrize(
    ("prompt", "new"),
    [
        pytest.param("/tool", AWKWARD, id="awkward"),
        ("/tool empty", "/slow 0"),
        ("/tool text", "/slow 0"),
        ("/tool 3 together", "/slow 0"),
    ],
)
def test_a_prompt_in_place_of_results_follows_errors(agui_conversation, prompt, new):
    _, exchanges = agui_conversation.ask(prompt)
    calls = pending_calls(exchanges)

    frames, exchanges = agui_conversation.ask(new)

    assert frames[-1]["type"] == "RUN_FINISHED"
    errors, question = exchanges
    cancelled = [(call, CANCELLED, "error") for call in calls]
    assert_invocation(agui_conversation, errors, returned(cancelled))
    assert_invocation(agui_conversation, question, [said(new)])
    # The next one has nothing to cancel.
    _, exchanges = agui_conversation.ask("/slow 0")
    (exchange,) = exchanges
    assert_invocation(agui_conversation, exchange, [said("/slow 0")])


def test_results_that_are_there_go_with_the_errors(agui_conversation):
    frames, exchanges = agui_conversation.ask("/tool 3 together")
    calls = pending_calls(exchanges)
    ids = ids_of_calls(frames)
    agui_conversation.add_result({"toolCallId": ids[1], "content": AWKWARD})
    agui_conversation.add_result({"toolCallId": ids[2], "error": "no sensor"})

    frames, exchanges = agui_conversation.ask("/slow 0")

    assert frames[-1]["type"] == "RUN_FINISHED"
    errors, question = exchanges
    results = [
        (calls[0], CANCELLED, "error"),
        (calls[1], AWKWARD, "success"),
        (calls[2], "no sensor", "error"),
    ]
    assert_invocation(agui_conversation, errors, returned(results))
    assert_invocation(agui_conversation, question, [said("/slow 0")])


def test_calls_that_follow_cancelled_ones_are_cancelled_too(agui_conversation):
    _, exchanges = agui_conversation.ask("/tool 3")

    frames, later = agui_conversation.ask("/slow 0")

    assert frames[-1]["type"] == "RUN_FINISHED"
    assert not ids_of_calls(frames)
    *errors, question = later
    assert len(errors) == 3
    for before, exchange in zip([*exchanges, *errors], errors):
        (call,) = pending_calls([before])
        assert_invocation(agui_conversation, exchange, returned([(call, CANCELLED, "error")]))
    assert_invocation(agui_conversation, question, [said("/slow 0")])


def test_a_prompt_beside_a_cancelled_interrupt_follows_errors(agui_conversation):
    frames, exchanges = agui_conversation.ask("/tool")
    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    agui_conversation.messages.append({"id": "new", "role": "user", "content": "/slow 0"})
    resume = [{"interruptId": id_, "status": "cancelled"}]

    _, exchanges = agui_conversation.run({}, {"resume": resume})

    errors, question = exchanges
    assert_invocation(agui_conversation, errors, returned([(call, CANCELLED, "error")]))
    assert_invocation(agui_conversation, question, [said("/slow 0")])


def test_the_short_form_cancels_with_errors_of_its_own(short_conversation):
    frames, exchanges = short_conversation.ask("/tool")
    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    # Without a history the function cannot know of the call.
    frames, exchanges = short_conversation.ask("/slow 0")
    assert frames[-1]["code"] == "validation"
    (exchange,) = exchanges
    assert_invocation(short_conversation, exchange, [said("/slow 0")])
    _, exchanges = short_conversation.answer([{"toolCallId": id_, "error": "never mind"}])
    (exchange,) = exchanges
    assert_invocation(short_conversation, exchange, returned([(call, "never mind", "error")]))
    frames, exchanges = short_conversation.ask("/slow 0")
    assert frames[-1]["type"] == "RUN_FINISHED"
    (exchange,) = exchanges
    assert_invocation(short_conversation, exchange, [said("/slow 0")])


def test_calls_are_cancelled_again_if_the_prompt_failed(agui_conversation):
    """The history does not tell whether the harness has heard of it."""
    _, exchanges = agui_conversation.ask("/tool")
    (call,) = pending_calls(exchanges)
    errors = returned([(call, CANCELLED, "error")])
    prompts = {"/error validationException": "RUN_ERROR", "/slow 0": "RUN_FINISHED"}
    for prompt, ending in prompts.items():
        frames, exchanges = agui_conversation.ask(prompt)
        assert frames[-1]["type"] == ending
        again, question = exchanges
        assert_invocation(agui_conversation, again, errors)
        assert_invocation(agui_conversation, question, [said(prompt)])


def test_a_prompt_after_results_that_did_not_arrive_is_heard(agui_conversation):
    frames, exchanges = agui_conversation.ask("/tool")
    (_call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    agui_conversation.deployment.recorder.throttle("/invoke", ATTEMPTS)
    frames, exchanges = agui_conversation.answer([{"toolCallId": id_} | DONE])
    assert frames[-1]["code"] == "throttling"
    assert len(exchanges) == ATTEMPTS

    frames, exchanges = agui_conversation.ask("/slow 0")

    assert frames[-1]["type"] == "RUN_FINISHED", frames[-1]
    assert_invocation(agui_conversation, exchanges[-1], [said("/slow 0")])


# What is in a history only.


@pytest.mark.parametrize("prompt", ["/work", "/hook", "/hook deny", "/tool denied", "/think"])
def test_tools_of_the_harness_stay_in_the_history(agui_conversation, prompt):
    frames, _ = agui_conversation.ask(prompt, trace=True)
    assert frames[-1]["type"] == "RUN_FINISHED"
    roles = [message["role"] for message in agui_conversation.messages]
    assert ("tool" in roles) == (prompt != "/think")

    _, exchanges = agui_conversation.ask("/slow 0", trace=True)

    (exchange,) = exchanges
    assert_invocation(agui_conversation, exchange, [said("/slow 0")])


@pytest.mark.parametrize("cancels", [False, True])
def test_only_the_client_s_call_is_answered_after_tools_of_the_harness(agui_conversation, cancels):
    frames, exchanges = agui_conversation.ask("/tool late", trace=True)
    (call,) = pending_calls(exchanges)
    id_ = ids_of_calls(frames)[-1]
    assert len(ids_of_calls(frames)) == 2

    if cancels:
        _, exchanges = agui_conversation.ask("/slow 0", trace=True)
        exchange, question = exchanges
        assert_invocation(agui_conversation, question, [said("/slow 0")])
        results = returned([(call, CANCELLED, "error")])
    else:
        _, exchanges = agui_conversation.answer([{"toolCallId": id_} | DONE])
        (exchange,) = exchanges
        results = returned([(call, "21 °C", "success")])
    assert_invocation(agui_conversation, exchange, results)


def test_results_of_the_harness_behind_all_messages_stay_in_the_history(agui_conversation):
    """A client may sort its history so that all results of a message stand behind it."""
    frames, exchanges = agui_conversation.ask("/tool late", trace=True)
    (call,) = pending_calls(exchanges)
    id_ = ids_of_calls(frames)[-1]
    messages = agui_conversation.messages
    messages.sort(key=lambda message: message["role"] == "tool")

    _, exchanges = agui_conversation.answer([{"toolCallId": id_} | DONE])

    (exchange,) = exchanges
    assert_invocation(agui_conversation, exchange, returned([(call, "21 °C", "success")]))


# What never reaches the harness.

# What a call of a harness may name and a client may not, and what AG-UI has besides.
FOREIGN = {
    "tools": [
        {"type": "remote_mcp", "name": MARKER, "config": {"remoteMcp": {"url": MARKER}}},
        {"name": MARKER, "description": MARKER, "parameters": {"type": "object", "title": MARKER}},
    ],
    "model": {"bedrockModelConfig": {"modelId": MARKER}},
    "systemPrompt": [{"text": MARKER}],
    "skills": [{"path": MARKER}, {"s3": {"uri": f"s3://{MARKER}"}}],
    "allowedTools": [MARKER],
    "maxIterations": 987654321,
    "maxTokens": 987654321,
    "timeoutSeconds": 987654321,
    "actorId": MARKER,
    "harnessArn": ARN.replace("local_harness", MARKER),
    "qualifier": MARKER,
    "runtimeSessionId": MARKER * 5,
    "runtimeUserId": MARKER,
    "traceParent": MARKER,
    "baggage": MARKER,
    "state": {MARKER: MARKER},
    "context": [{"description": MARKER, "value": MARKER}],
    "parentRunId": MARKER,
}


def test_nothing_foreign_in_a_run_agent_input_is_sent(agui_conversation):
    forwarded = FOREIGN | {"email": MARKER, "config": FOREIGN, MARKER: MARKER, "trace": True}
    extra = FOREIGN | {"forwardedProps": forwarded, "config": FOREIGN, MARKER: MARKER}

    def message(role, **values):
        return {"id": MARKER, "role": role, "name": MARKER, "content": MARKER} | FOREIGN | values

    messages = agui_conversation.messages
    messages += [message("system"), message("developer"), message("assistant"), message("user")]
    messages += [message("reasoning", encryptedValue=MARKER), message("activity", activityType="x")]
    messages.append(message("user", content=[{"type": "text", "text": "/tool"} | FOREIGN]))
    frames, exchanges = agui_conversation.run({}, extra)
    assert_nothing_foreign(exchanges)
    (exchange,) = exchanges
    assert_invocation(agui_conversation, exchange, [said("/tool")])

    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    for known in messages[-1]["toolCalls"]:
        known |= FOREIGN | {"function": {"name": MARKER, "arguments": MARKER}}
    messages.append(message("tool", toolCallId=id_, content="21 °C"))
    _, exchanges = agui_conversation.run({}, extra)
    assert_nothing_foreign(exchanges)
    (exchange,) = exchanges
    assert_invocation(agui_conversation, exchange, returned([(call, "21 °C", "success")]))

    messages.append(message("user", content="/tool"))
    _, exchanges = agui_conversation.run({}, extra)
    (call,) = pending_calls(exchanges)
    for known in messages[-1]["toolCalls"]:
        known |= FOREIGN | {"function": {"name": MARKER, "arguments": MARKER}}
    messages.append(message("user", content="/slow 0"))
    _, exchanges = agui_conversation.run({}, extra)
    assert_nothing_foreign(exchanges)
    errors, question = exchanges
    assert_invocation(agui_conversation, errors, returned([(call, CANCELLED, "error")]))
    assert_invocation(agui_conversation, question, [said("/slow 0")])


@pytest.mark.parametrize("field", FOREIGN)
@pytest.mark.parametrize("beside", ["prompt", "toolResults"])
def test_the_short_form_refuses_what_it_does_not_have(short_conversation, field, beside):
    if beside == "prompt":
        message = {"prompt": "hello"}
    else:
        frames, _ = short_conversation.ask("/tool")
        (id_,) = ids_of_calls(frames)
        message = {"toolResults": [{"toolCallId": id_} | DONE]}
    frames, exchanges = short_conversation.run(message | {field: FOREIGN[field]}, {})
    assert frames[-1]["code"] == "invalid_request"
    assert not exchanges
    if beside == "toolResults":
        message["toolResults"][0][field] = FOREIGN[field]
        frames, exchanges = short_conversation.run(message, {})
        assert frames[-1]["code"] == "invalid_request"
        assert not exchanges


def test_an_email_is_ignored(conversation):
    frames, exchanges = conversation.ask("/slow 0", email=f"{MARKER}@example.com")
    assert frames[-1]["type"] == "RUN_FINISHED"
    assert_nothing_foreign(exchanges)
    (exchange,) = exchanges
    assert_invocation(conversation, exchange, [said("/slow 0")])


@pytest.mark.parametrize("field", ["sessionAttributes", "promptSessionAttributes"])
def test_attributes_are_refused(conversation, field):
    frames, exchanges = conversation.ask("/slow 0", **{field: {"plan": MARKER}})
    assert frames[-1]["code"] == "invalid_request"
    assert field in frames[-1]["message"]
    assert not exchanges
    # No attributes are none too many.
    frames, exchanges = conversation.ask("/slow 0", **{field: {}})
    assert frames[-1]["type"] == "RUN_FINISHED"
    (exchange,) = exchanges
    assert_invocation(conversation, exchange, [said("/slow 0")])


# Sessions and actors.


@pytest.mark.parametrize(
    "session_id", ["ab", "all:of_the.signs-09AZ", "x" * 100, "ABC" * 20, "a" * 64]
)
@pytest.mark.parametrize("agui", [False, True])
def test_a_session_is_the_hash_of_the_client_s(plain, session_id, agui):
    with Conversation(plain, agui=agui) as conversation:
        conversation.session_id = session_id
        _, exchanges = conversation.ask("/slow 0")
    (exchange,) = exchanges
    hash_ = hashlib.sha256(session_id.encode()).hexdigest()
    assert re.fullmatch("[0-9a-f]{64}", exchange.headers[SESSION_HEADER])
    assert exchange.headers[SESSION_HEADER] == hash_
    assert_invocation(conversation, exchange, [said("/slow 0")])


def test_the_session_of_a_connection_is_a_hash_too(short_conversation):
    frames, exchanges = short_conversation.send('{"prompt":"hello"}')
    (exchange,) = exchanges
    short_conversation.session_id = frames[0]["threadId"]
    assert_invocation(short_conversation, exchange, [said("hello")])


def test_an_endpoint_and_a_memory_are_on_every_request(full_conversation):
    frames, exchanges = full_conversation.ask("/tool")
    (exchange,) = exchanges
    assert_invocation(full_conversation, exchange, [said("/tool")])
    assert exchange.query.endswith("&qualifier=live_1")
    assert exchange.request["actorId"] == "team/ada:2"
    (call,) = pending_calls(exchanges)
    (id_,) = ids_of_calls(frames)
    _, exchanges = full_conversation.answer([{"toolCallId": id_} | DONE])
    (exchange,) = exchanges
    assert_invocation(full_conversation, exchange, returned([(call, "21 °C", "success")]))


def test_an_endpoint_and_a_memory_are_on_requests_that_cancel(full):
    with Conversation(full) as conversation:
        _, exchanges = conversation.ask("/tool")
        (call,) = pending_calls(exchanges)
        _, exchanges = conversation.ask("/slow 0")
    errors, question = exchanges
    assert_invocation(conversation, errors, returned([(call, CANCELLED, "error")]))
    assert_invocation(conversation, question, [said("/slow 0")])


def test_without_an_endpoint_and_a_memory_none_is_named(conversation):
    _, exchanges = conversation.ask("/slow 0")
    (exchange,) = exchanges
    assert "qualifier" not in exchange.query
    assert set(exchange.request) == {"messages", "timeoutSeconds"}


@pytest.mark.parametrize("agui", [False, True])
def test_a_user_is_an_actor_with_sessions_of_their_own(signed_in, provider, agui):
    numbers = map(str, itertools.count())
    odd = next(subject for subject in numbers if user_hash(subject)[0] in "-_")
    sessions = set()
    for user in ["ada", "Grüße|🌦️", odd]:
        token = provider.token(user, email=f"{MARKER}@example.com", email_verified=True)
        with Conversation(signed_in, agui=agui, user=user, token=token) as conversation:
            conversation.session_id = f"shared-{agui}"
            frames, exchanges = conversation.ask("/tool")
            (exchange,) = exchanges
            assert_invocation(conversation, exchange, [said("/tool")])
            assert MARKER.encode() not in exchange.body
            (call,) = pending_calls(exchanges)
            (id_,) = ids_of_calls(frames)
            _, exchanges = conversation.answer([{"toolCallId": id_} | DONE])
            (exchange,) = exchanges
            assert_invocation(conversation, exchange, returned([(call, "21 °C", "success")]))
            _, exchanges = conversation.ask("/slow 0", endSession=True)
            assert_stop(conversation, exchanges[1])
        sessions.add(exchange.headers[SESSION_HEADER])
    assert len(sessions) == 3


# Stopping.


def test_whoever_leaves_stops_the_session(stops):
    with Conversation(stops, agui=False) as conversation:
        conversation.ask_and_leave("/pause 1 600")
    # The run ends with the session, so either may be recorded first.
    exchanges = conversation.wait_for_exchanges(2)
    invocation, stop = sorted(exchanges, key=lambda exchange: exchange.path)
    assert_invocation(conversation, invocation, [said("/pause 1 600")])
    assert_stop(conversation, stop)


@pytest.mark.parametrize("agui", [False, True])
def test_a_session_that_is_to_end_is_stopped_after_its_run(stops, agui):
    with Conversation(stops, agui=agui) as conversation:
        frames, exchanges = conversation.ask("/slow 0", endSession=True)
        assert frames[-1]["type"] == "RUN_FINISHED"
        invocation, stop = exchanges
        assert_invocation(conversation, invocation, [said("/slow 0")])
        assert_stop(conversation, stop)
        token = stop.request["clientToken"]

        _, exchanges = conversation.ask("/slow 0", endSession=True)
        _, stop = exchanges
        assert_stop(conversation, stop)
        assert stop.request["clientToken"] != token
        _, exchanges = conversation.ask("/slow 0", endSession=False)
        assert len(exchanges) == 1


def test_another_attempt_to_stop_is_the_same_request(stopping):
    with Conversation(stopping, agui=False) as conversation:
        stopping.recorder.throttle("/stopruntimesession", 2)
        conversation.ask_and_leave("/pause 1 600")
    stops = conversation.wait_for_exchanges(3, "/stopruntimesession")
    assert [exchange.status for exchange in stops] == [429, 429, 200]
    assert_stop(conversation, stops[-1])
    # By its token, the service knows an attempt whose answer was lost.
    assert len({exchange.request["clientToken"] for exchange in stops}) == 1


def test_a_session_that_waits_for_results_can_end(stops):
    with Conversation(stops, agui=False) as conversation:
        _, exchanges = conversation.ask("/tool", endSession=True)
        _, stop = exchanges
        assert_stop(conversation, stop)


def test_a_session_can_only_be_ended_where_that_is_allowed(conversation):
    frames, exchanges = conversation.ask("hello", endSession=True)
    assert frames[-1]["code"] == "invalid_request"
    assert "STOP_ON_LEAVE" in frames[-1]["message"]
    assert not exchanges


def test_whoever_leaves_stops_nothing_unless_that_is_wished(deploy):
    deployment = deploy(KEEPALIVE_SECONDS="1")
    with Conversation(deployment, agui=False) as conversation:
        conversation.ask_and_leave("/pause 1 4")
    conversation.wait_for_exchanges(1)
    deployment.local.wait_for_line("run ended")
    (exchange,) = conversation.exchanges()
    assert_invocation(conversation, exchange, [said("/pause 1 4")])
    # The harness went on to its end.
    assert exchange.events("messageStop") == [{"stopReason": "end_turn"}]


# Helpers.


def said(text):
    return {"role": "user", "content": [{"text": text}]}


def returned(results):
    """The messages that return results, each a call, a text and a status."""
    uses = [{"toolUse": call} for call, _, _ in results]
    blocks = [
        {
            "toolResult": {
                "toolUseId": call["toolUseId"],
                "content": [{"text": text}],
                "status": status,
            }
        }
        for call, text, status in results
    ]
    return [{"role": "assistant", "content": uses}, {"role": "user", "content": blocks}]


def pending_calls(exchanges):
    """The calls that the harness waits for after an exchange, as they are to be repeated."""
    (exchange,) = exchanges
    calls = {}
    by_index = {}
    stop_reason = None
    for event_type, payload in exchange.stream():
        start = payload.get("start", {})
        delta = payload.get("delta", {})
        if "toolUse" in start:
            call = {"name": start["toolUse"]["name"], "toolUseId": start["toolUse"]["toolUseId"]}
            calls[call["toolUseId"]] = by_index[payload["contentBlockIndex"]] = call
        elif "toolResult" in start:
            calls.pop(start["toolResult"]["toolUseId"])
        elif "toolUse" in delta:
            call = by_index[payload["contentBlockIndex"]]
            call["input"] = call.get("input", "") + delta["toolUse"]["input"]
        elif event_type == "messageStop":
            stop_reason = payload["stopReason"]
    assert stop_reason == "tool_use"
    return [call | {"input": as_document(call.get("input", ""))} for call in calls.values()]


def as_document(text):
    """The input of a call as JSON, with numbers as they were written. What is none is a string."""
    try:
        return json.loads(text or "{}", parse_int=digits, parse_float=digits)
    except json.JSONDecodeError:
        return text


def ids_of_calls(frames):
    return [frame["toolCallId"] for frame in frames if frame["type"] == "TOOL_CALL_CHUNK"]


def unique(name):
    return f"{name}-{uuid.uuid4()}"


def assert_invocation(conversation, exchange, messages, **trace):
    seconds = exchange.request["timeoutSeconds"]
    assert type(seconds) is int
    assert FUNCTION_SECONDS / 2 < seconds <= FUNCTION_SECONDS
    AGENTCORE.assert_sent(
        exchange,
        "InvokeHarness",
        harnessArn=ARN,
        qualifier=endpoint_of(conversation),
        runtimeSessionId=conversation.agentcore_session_id,
        messages=messages,
        actorId=conversation.actor_id,
        timeoutSeconds=seconds,
        **trace,
    )


def assert_stop(conversation, exchange):
    conversation.assert_stop(exchange, ARN, endpoint_of(conversation))


def endpoint_of(conversation):
    return conversation.deployment.environment.get("HARNESS_ENDPOINT")


def assert_nothing_foreign(exchanges):
    assert exchanges
    for exchange in exchanges:
        headers = "".join(f"{name}: {value}\n" for name, value in exchange.headers.items())
        sent = f"{exchange.path}?{exchange.query}\n{headers}\n".encode() + exchange.body
        assert MARKER.encode() not in sent
        assert b"987654321" not in sent
        assert set(exchange.request) == {"messages", "timeoutSeconds"}
