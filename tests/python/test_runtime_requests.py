"""What the function sends to the runtime, beside what botocore makes of the same values.

A client talks to the scripted agent over either transport. The expected request is built from the client's
own words, and serialised by botocore with AWS's model of the API; its payload is compared digit by digit.
"""

import itertools
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from openid_provider import AUDIENCE
from recorded_deployment import AGENTCORE, SESSION_HEADER, RecordedConversation, deployments
from relay_client import (
    CLIENTS,
    TERMINAL,
    History,
    WebSocketClient,
    agentcore_session_id,
    user_hash,
)
from texts import AWKWARD, MARKER, NUMBERS, ODD_JSON, PROMPTS

ARN = "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/local_runtime-LOCALRUNT1"

# What an agent gets of an input that has nothing else.
ABSENT = {"tools": "[]", "context": "[]", "state": "{}", "forwardedProps": "{}"}

# What goes to the agent as it came: JSON that few programs write, with half a character.
PASSED = {
    "parentRunId": '"run \\u00e9 \\ud800"',
    "protocolVersion": '"1.0"',
    "state": f'{{"numbers":{NUMBERS},"odd":{ODD_JSON},"none":null,"half":"\\ud800"}}',
    "tools": f'[{{"name":"t","description":"\\u00e9 é","parameters":{NUMBERS},"extra":[ 1.0 ]}}]',
    "context": '[{"description":"d","value":"\\ud83c\\udf26 🌦️ <\\/script>"}, {"value":"","n":1.0}]',
    "resume": f'[{{"interruptId":"i","status":"resolved","payload":{NUMBERS},"metadata":{{"n":1e2}}}}]',
    "forwardedProps": f'{{"temperature":0.70,"deep":{{"numbers":{NUMBERS}}},"trace":true}}',
}


@pytest.fixture(scope="module")
def deploy(tmp_path_factory):
    """A function that makes a deployment; those that it made end with the module."""
    with deployments(tmp_path_factory, "runtime") as deploy:
        yield deploy


@pytest.fixture(scope="module")
def full(deploy):
    """One like `stopping`, with an endpoint, which keeps no answers."""
    return deploy(
        "--stop-on-leave=true",
        "--resume-hours=0",
        RUNTIME_ENDPOINT="live_1",
        KEEPALIVE_SECONDS="1",
    )


@pytest.fixture(scope="module")
def signed_in(deploy, provider):
    """One whose users sign in."""
    return deploy(f"--oidc-issuer={provider.issuer}", f"--oidc-audience={AUDIENCE}")


@pytest.fixture(params=CLIENTS)
def transport(request):
    return request.param


@pytest.fixture
def conversation(plain, transport):
    with Conversation(plain, transport) as conversation:
        yield conversation


class Conversation(RecordedConversation):
    """A client that keeps a history as AG-UI's clients do, over either transport."""

    def __init__(self, deployment, transport, *, user=None, **values):
        super().__init__(deployment, CLIENTS[transport](deployment.local, **values), user=user)
        self.history = History()

    @property
    def messages(self):
        return self.history.messages

    def say(self, content):
        """Adds what the user says to the history."""
        self.messages.append({"id": unique("question"), "role": "user", "content": content})

    def run(self, prompt=None, **members):
        """Sends the history, after a prompt, with these members, in JSON.

        Returns the frames; there was one request, which had what was sent.
        """
        if prompt is not None:
            self.say(prompt)
        messages = json.dumps(self.messages)
        frames, exchange = self.run_with(messages, **members)
        self.assert_invocation(exchange, frames, messages, **members)
        self.history.hear(frames)
        return frames

    def run_with(self, messages, **members):
        """Sends an input of these messages and members, in JSON; returns its frames and the request."""
        frames, exchanges = self.send(self.input(messages, **members))
        (exchange,) = exchanges
        return frames, exchange

    def input(self, messages, **members):
        return json_object(
            threadId=json.dumps(self.session_id),
            runId=json.dumps(unique("run")),
            messages=messages,
            **members,
        )

    def short_form(self, prompt, **members):
        """Sends a prompt in the short form."""
        return self.send(json.dumps({"prompt": prompt, "sessionId": self.session_id} | members))

    def assert_invocation(self, exchange, frames, messages, *, trace=None, **members):
        """The agent got these messages and members, of the run that the frames are of, and this trace."""
        assert frames[0]["threadId"] == self.session_id
        payload = json_object(
            threadId=json.dumps(self.agentcore_session_id),
            runId=json.dumps(frames[0]["runId"]),
            messages=messages,
            **(ABSENT | members),
        )
        AGENTCORE.assert_sent(
            exchange,
            "InvokeAgentRuntime",
            agentRuntimeArn=ARN,
            qualifier=self.deployment.environment.get("RUNTIME_ENDPOINT"),
            runtimeSessionId=self.agentcore_session_id,
            contentType="application/json",
            accept="text/event-stream",
            payload=payload.encode(),
            **(trace or {}),
        )

    def assert_stopped(self, exchange):
        self.assert_stop(exchange, ARN, self.deployment.environment.get("RUNTIME_ENDPOINT"))


# Prompts.


@pytest.mark.parametrize("form", ["short form", "RunAgentInput"])
def test_a_prompt_is_one_message(plain, transport, form):
    def ask(prompt):
        with Conversation(plain, transport) as conversation:
            if form == "RunAgentInput":
                conversation.say(prompt)
                messages = json.dumps(conversation.messages)
                frames, _ = conversation.send(conversation.input(messages))
            else:
                frames, _ = conversation.short_form(prompt)
                messages = user_message(frames, prompt)
        assert frames[-1]["type"] == "RUN_FINISHED"
        (exchange,) = conversation.exchanges()
        conversation.assert_invocation(exchange, frames, messages)

    # Several at once, since the scripted agent speaks slowly: half as many as the function takes, which
    # is busy for a moment after the last frame, writing the end to the table.
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(ask, PROMPTS))


def test_every_prompt_is_sent_with_all_that_was_said_before_it(conversation):
    for number, prompt in enumerate(["/slow 0", "/think", "/strands", "hello"], 1):
        frames = conversation.run(prompt)
        assert frames[-1]["type"] == "RUN_FINISHED"
        users = [message for message in conversation.messages if message["role"] == "user"]
        assert len(users) == number
    roles = {message["role"] for message in conversation.messages}
    assert roles == {"user", "assistant", "reasoning", "tool"}


def test_an_email_is_ignored(conversation):
    frames, exchanges = conversation.short_form("hello", email=f"{MARKER}@example.com")
    (exchange,) = exchanges
    conversation.assert_invocation(exchange, frames, user_message(frames, "hello"))


def test_a_trace_is_not_the_agents_business_in_the_short_form(conversation):
    frames, exchanges = conversation.short_form("/slow 0", trace=True)
    (exchange,) = exchanges
    conversation.assert_invocation(exchange, frames, user_message(frames, "/slow 0"))


def test_an_attempt_after_a_refusal_is_the_same_request(conversation):
    for prompt, statuses in [
        ("/refuse throttlingException 2", [429, 429, 200]),
        ("/refuse SESSION_BUSY 1", [409, 200]),
    ]:
        conversation.say(prompt)
        messages = json.dumps(conversation.messages)
        frames, exchanges = conversation.send(
            conversation.input(messages, **PASSED | {"resume": "[]"})
        )
        assert frames[-1]["type"] == "RUN_FINISHED"
        assert [exchange.status for exchange in exchanges] == statuses
        for exchange in exchanges:
            conversation.assert_invocation(exchange, frames, messages, **PASSED | {"resume": "[]"})
        assert len({exchange.body for exchange in exchanges}) == 1


# What passes as it came.


@pytest.mark.parametrize("names", [*([name] for name in PASSED), list(PASSED)], ids="-".join)
def test_members_pass_with_every_digit(conversation, names):
    members = {name: PASSED[name] for name in names}
    conversation.run("/slow 0", **members)
    (exchange,) = conversation.exchanges()
    # Not even white space is lost, and no escape becomes another.
    for name, json_ in members.items():
        assert f'"{name}":{json_}'.encode() in exchange.body


@pytest.mark.parametrize("state", ["7.50", '"text"', "[1.0]", "true", "-0", '""', "[]", "{}"])
def test_a_state_may_be_any_json(conversation, state):
    frames = conversation.run("/strands", state=state)
    assert frames[-1]["type"] == "RUN_FINISHED"
    snapshots = [frame for frame in frames if frame["type"] == "STATE_SNAPSHOT"]
    assert snapshots[0]["snapshot"] == json.loads(state)


@pytest.mark.parametrize("name", PASSED)
def test_a_null_is_an_absent_member(conversation, name):
    conversation.say("/slow 0")
    messages = json.dumps(conversation.messages)
    frames, exchange = conversation.run_with(messages, **{name: "null"})
    conversation.assert_invocation(exchange, frames, messages)


def test_messages_pass_as_they_came_but_for_what_only_the_agent_may_say(conversation):
    calls = '[{"id":"c","type":"function","function":{"name":"f","arguments":"{\\"n\\":1.10}"}}]'
    kept = [
        f'{{"id":"a","role":"assistant","content":"\\u00e9 é \\ud800","toolCalls":{calls}, "n":1.0}}',
        f'{{"id":"t","role":"tool","toolCallId":"c","content":"21.50 °C","extra":{NUMBERS}}}',
        '{"role":"tool","id":"e","toolCallId":"c","content":"","error":"no \\"sensor\\"","x":null}',
        f'{{"id":"r","role":"reasoning","content":"","encryptedValue":"c2Vj","odd":{ODD_JSON}}}',
        '{"id":"v","role":"activity","activityType":"PLAN","content":{"done":0.50}}',
        '{"id":"n","role":"not known yet","content":[1E5]}',
        '{"id":"u","role":"user","name":"ada","content":[{"type":"text","text":"/slow "},'
        '{"type":"text","text":"0"},{"type":"image","source":{"type":"url","value":"a","n":1.0}}]}',
    ]
    hidden = [
        f'{{"id":"s","role":"{role}","content":"{MARKER}"}}' for role in ["system", "developer"]
    ]
    mixed = [hidden[0], *kept[:3], hidden[1], *kept[3:], hidden[0]]
    frames, exchange = conversation.run_with(f"[{', '.join(mixed)}]")
    assert frames[-1]["type"] == "RUN_FINISHED"
    conversation.assert_invocation(exchange, frames, f"[{','.join(kept)}]")
    for message in kept:
        assert message.encode() in exchange.body
    assert MARKER.encode() not in exchange.body


@pytest.mark.parametrize("number", [1, 3])
def test_results_of_calls_are_messages(conversation, number):
    tools = '[{"name":"get_weather","description":"Tells it.","parameters":{"maximum":1.10}}]'
    frames = conversation.run(f"/tool {number}", tools=tools)
    ids = [frame["toolCallId"] for frame in frames if frame["type"] == "TOOL_CALL_START"]
    assert len(ids) == number
    if number == 3:
        arguments = conversation.history.call(ids[1])["function"]["arguments"]
        assert '"amount":12.50' in arguments
    for id_ in ids:
        result = {"role": "tool", "toolCallId": id_, "content": AWKWARD}
        conversation.messages.append({"id": unique("result")} | result)
    frames = conversation.run(tools=tools)
    assert frames[-1]["type"] == "RUN_FINISHED"
    text = "".join(frame.get("delta", "") for frame in frames)
    assert text.count("returned") == number


def test_what_resumes_an_interrupt_is_the_agents(conversation):
    frames = conversation.run("/interrupt")
    (interrupt,) = frames[-1]["outcome"]["interrupts"]
    for status, payload in [
        ("resolved", '{"approved":true,"amount":12.50}'),
        ("cancelled", "null"),
    ]:
        id_ = json.dumps(interrupt["id"])
        resume = f'[{{"interruptId":{id_},"status":"{status}","payload":{payload}}}]'
        frames = conversation.run(resume=resume)
        assert frames[-1]["type"] == "RUN_FINISHED"
        assert payload in "".join(frame.get("delta", "") for frame in frames)


# What never reaches the agent.

# What a call of a runtime may name and a client may not.
FOREIGN = {
    "agentRuntimeArn": ARN.replace("local_runtime", MARKER),
    "runtimeArn": MARKER,
    "qualifier": MARKER,
    "accountId": "987654321987",
    "runtimeSessionId": MARKER * 5,
    "runtimeUserId": MARKER,
    "mcpSessionId": MARKER,
    "traceParent": MARKER,
    "baggage": MARKER,
    "contentType": MARKER,
    "payload": {MARKER: MARKER},
    "config": {MARKER: MARKER},
}

FOREIGN_HEADERS = {
    SESSION_HEADER: MARKER * 5,
    "X-Amzn-Bedrock-AgentCore-Runtime-User-Id": MARKER,
    "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Role": MARKER,
    "Mcp-Session-Id": MARKER,
    "baggage": MARKER,
    "traceparent": MARKER,
    "tracestate": MARKER,
    "X-Amzn-Trace-Id": MARKER,
    "Accept": "application/vnd.ag-ui.event+proto",
}


def test_nothing_foreign_in_an_input_is_sent(conversation):
    conversation.say("/slow 0")
    messages = json.dumps(conversation.messages)
    foreign = {name: json.dumps(value) for name, value in FOREIGN.items()}
    frames, exchange = conversation.run_with(messages, **foreign)
    conversation.assert_invocation(exchange, frames, messages)
    assert_nothing_foreign(exchange)


def test_what_is_forwarded_to_the_agent_is_no_part_of_the_call(conversation):
    props = json.dumps(FOREIGN)
    conversation.run("/slow 0", forwardedProps=props)
    (exchange,) = conversation.exchanges()
    assert_nothing_foreign(exchange, body=exchange.body.replace(props.encode(), b""))


def test_headers_of_a_client_are_not_the_agents(plain):
    with Conversation(plain, "HTTP", headers=FOREIGN_HEADERS) as conversation:
        conversation.run("/slow 0")
    (exchange,) = conversation.exchanges()
    assert_nothing_foreign(exchange)


def test_a_clients_trace_is_sent_as_botocore_sends_it(plain):
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=1,other@tenant=2",
    }
    with Conversation(plain, "HTTP", headers=headers) as conversation:
        conversation.say("/slow 0")
        messages = json.dumps(conversation.messages)
        frames, exchange = conversation.run_with(messages)
    conversation.assert_invocation(
        exchange,
        frames,
        messages,
        trace={
            "traceParent": headers["traceparent"],
            "traceState": headers["tracestate"],
            "traceId": "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1",
        },
    )


@pytest.mark.parametrize("field", FOREIGN)
def test_the_short_form_refuses_what_it_does_not_have(conversation, field):
    frames, exchanges = conversation.short_form("hello", **{field: FOREIGN[field]})
    assert frames[-1]["code"] == "invalid_request"
    assert not exchanges


ATTRIBUTES = ["sessionAttributes", "promptSessionAttributes"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        *(({name: {"plan": "gold"}}, name) for name in ATTRIBUTES),
        ({"endSession": True}, "endSession"),
    ],
)
def test_what_agui_has_no_place_for_is_refused(conversation, options, field):
    conversation.say("hello")
    messages = json.dumps(conversation.messages)
    in_input = conversation.input(messages, forwardedProps=json.dumps(options))
    for frames, exchanges in [
        conversation.short_form("hello", **options),
        conversation.send(in_input),
    ]:
        assert frames[-1]["code"] == "invalid_request"
        assert field in frames[-1]["message"]
        assert not exchanges


def test_results_can_only_be_messages(conversation):
    results = [{"toolCallId": "c", "content": "x"}]
    message = {"toolResults": results, "sessionId": conversation.session_id}
    frames, exchanges = conversation.send(json.dumps(message))
    assert (frames[-1]["code"], exchanges) == ("invalid_request", [])
    assert "messages" in frames[-1]["message"]


@pytest.mark.parametrize("messages", ["null", "{}", "[1]", "[{}]", '[{"role":7}]', '["x"]'])
def test_what_are_no_messages_is_not_sent(conversation, messages):
    frames, exchanges = conversation.send(conversation.input(messages))
    assert frames[-1]["code"] == "invalid_request"
    assert not exchanges


# Sessions.


@pytest.mark.parametrize(
    "session_id", ["ab", "all:of_the.signs-09AZ", "x" * 100, "ABC" * 20, "a" * 64]
)
def test_a_session_is_the_hash_of_the_clients(conversation, session_id):
    conversation.session_id = session_id
    frames = conversation.run("/slow 0")
    # Of either transport, since it is one session.
    exchange = conversation.exchanges()[-1]
    assert re.fullmatch("[0-9a-f]{64}", exchange.headers[SESSION_HEADER])
    # The client's own id comes back to it, and nowhere else.
    assert frames[-1]["threadId"] == session_id
    ids = [exchange.request["threadId"], exchange.headers[SESSION_HEADER]]
    assert ids == [agentcore_session_id(session_id)] * 2


def test_a_client_that_names_no_session_has_one(conversation):
    frames, exchanges = conversation.send('{"prompt":"hello"}')
    (exchange,) = exchanges
    conversation.session_id = frames[0]["threadId"]
    conversation.assert_invocation(exchange, frames, user_message(frames, "hello"))


def test_a_user_has_sessions_of_their_own(signed_in, provider, transport):
    numbers = map(str, itertools.count())
    odd = next(subject for subject in numbers if user_hash(subject)[0] in "-_")
    sessions = set()
    for user in ["ada", "Grüße|🌦️", odd]:
        token = provider.token(user, email=f"{MARKER}@example.com", email_verified=True)
        with Conversation(signed_in, transport, user=user, token=token) as conversation:
            conversation.session_id = f"shared-{transport}"
            conversation.run("/slow 0", state=NUMBERS)
            conversation.run("/slow 0")
            exchanges = conversation.exchanges()
        assert len(exchanges) == 2
        for exchange in exchanges:
            assert_nothing_foreign(exchange)
        sessions |= {exchange.headers[SESSION_HEADER] for exchange in exchanges}
    assert len(sessions) == 3


def test_the_agents_own_name_of_a_thread_leads_nowhere(conversation, transport, plain):
    conversation.run("/slow 0")
    with Conversation(plain, transport) as other:
        other.session_id = conversation.agentcore_session_id
        frames = other.run("/slow 0")
    assert "turn 1" in "".join(frame.get("delta", "") for frame in frames)


def test_an_endpoint_is_on_every_request(full, transport):
    with Conversation(full, transport) as conversation:
        conversation.run("/slow 0", **PASSED | {"resume": "[]"})
    (exchange,) = conversation.exchanges()
    assert exchange.query == "qualifier=live_1"


def test_without_an_endpoint_none_is_named(conversation):
    conversation.run("/slow 0")
    (exchange,) = conversation.exchanges()
    assert exchange.query == ""


# Stopping.


def test_whoever_leaves_a_web_socket_stops_the_session(stops):
    with Conversation(stops, "WebSocket") as conversation:
        leave(conversation, "/pause 1 600")
    # The run ends with the session, so either may be recorded first.
    invocation, stop = sorted(
        conversation.wait_for_exchanges(2), key=lambda exchange: exchange.path
    )
    assert_left(conversation, invocation)
    conversation.assert_stopped(stop)


def test_a_turn_that_is_stopped_stops_its_session(stopping):
    with (
        Conversation(stopping, "WebSocket") as conversation,
        WebSocketClient(stopping.local) as client,
        WebSocketClient(stopping.local) as other,
    ):
        conversation.say("/pause 1 600")
        client.begin(conversation.input(json.dumps(conversation.messages)))
        frames = [client.next_frame()]
        other.begin(json.dumps({"stop": {"key": frames[0]["metadata"]["relay"]["key"]}}))
        while frames[-1]["type"] not in TERMINAL:
            frames.append(client.next_frame())
        assert frames[-1]["type"] == "RUN_FINISHED"
        assert frames[-1]["metadata"]["relay"]["stopped"] is True
        (stop,) = conversation.wait_for_exchanges(1, "/stopruntimesession")
    conversation.assert_stopped(stop)


def test_another_attempt_to_stop_is_the_same_request(stopping):
    stopping.recorder.throttle("/stopruntimesession", 2)
    with Conversation(stopping, "WebSocket") as conversation:
        leave(conversation, "/pause 1 600")
    stops = conversation.wait_for_exchanges(3, "/stopruntimesession")
    assert [exchange.status for exchange in stops] == [429, 429, 200]
    conversation.assert_stopped(stops[-1])
    # By its token, the service knows an attempt whose answer was lost.
    assert len({exchange.body for exchange in stops}) == 1


def test_every_stop_has_a_token_of_its_own(stopping):
    session_id = unique("session")
    for count in (1, 2):
        with Conversation(stopping, "WebSocket") as conversation:
            conversation.session_id = session_id
            leave(conversation, "/pause 1 600")
        stops = conversation.wait_for_exchanges(count, "/stopruntimesession")
    for stop in stops:
        conversation.assert_stopped(stop)
    assert len({stop.request["clientToken"] for stop in stops}) == 2


def test_whoever_stays_stops_nothing(stops, transport):
    with Conversation(stops, transport) as conversation:
        conversation.run("/slow 0")
        conversation.run("/slow 0")
        assert len(conversation.exchanges()) == 2


def test_whoever_leaves_a_request_over_http_stops_nothing(stopping):
    """Lambda is not told, and the agent goes on to its end."""
    with Conversation(stopping, "HTTP") as conversation:
        run_id = leave(conversation, "/pause 1 1")
    conversation.wait_for_exchanges(1)
    stopping.local.wait_for_line("run ended", run_id)
    (exchange,) = conversation.exchanges()
    assert_left(conversation, exchange)
    assert b'"RUN_FINISHED"' in exchange.response


def test_a_run_without_time_stops_its_session(deploy, transport):
    """Over HTTP, too: nobody would hear the rest."""
    deployment = deploy("--stop-on-leave=true", function_seconds=8)
    with Conversation(deployment, transport) as conversation:
        conversation.say("/pause 1 600")
        frames, _ = conversation.send(conversation.input(json.dumps(conversation.messages)))
        assert (frames[-1]["type"], frames[-1]["code"]) == ("RUN_ERROR", "deadline")
        (stop,) = conversation.wait_for_exchanges(1, "/stopruntimesession")
    conversation.assert_stopped(stop)


def test_whoever_leaves_stops_nothing_unless_that_is_wished(deploy):
    deployment = deploy(KEEPALIVE_SECONDS="1")
    with Conversation(deployment, "WebSocket") as conversation:
        run_id = leave(conversation, "/pause 1 3")
    conversation.wait_for_exchanges(1)
    deployment.local.wait_for_line("run ended", run_id)
    (exchange,) = conversation.exchanges()
    assert_left(conversation, exchange)
    # The agent went on to its end.
    assert b'"RUN_FINISHED"' in exchange.response


# Helpers.


def json_object(**members):
    """An object of members that are JSON."""
    return f"{{{','.join(f'{json.dumps(name)}:{value}' for name, value in members.items())}}}"


def user_message(frames, prompt):
    """The message that a prompt in the short form becomes: its id is the run's, which is API Gateway's."""
    return json.dumps([{"id": frames[0]["runId"], "role": "user", "content": prompt}])


def unique(name):
    return f"{name}-{uuid.uuid4()}"


def leave(conversation, prompt):
    """Asks, and leaves when the run has started; returns the run's id."""
    conversation.say(prompt)
    message = conversation.input(json.dumps(conversation.messages))
    conversation.send_and_leave(message)
    return json.loads(message)["runId"]


def assert_left(conversation, exchange):
    """The request is that of somebody who left, of whom there are no frames."""
    frames = [{"threadId": conversation.session_id, "runId": exchange.request["runId"]}]
    conversation.assert_invocation(exchange, frames, json.dumps(conversation.messages))


def assert_nothing_foreign(exchange, body=None):
    headers = "".join(f"{name}: {value}\n" for name, value in exchange.headers.items())
    sent = f"{exchange.path}?{exchange.query}\n{headers}\n".encode()
    sent += exchange.body if body is None else body
    assert MARKER.encode() not in sent
    assert b"987654321987" not in sent
