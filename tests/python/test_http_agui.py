"""An independent client over HTTP: AG-UI's own Python package, which knows the protocol from its schema.

Its types make the requests, and its models read every event, of each scenario of the agent, the harness and
the runtime. The script of docs/connecting.md runs, too.
"""

import json
import os
import re
import subprocess
import sys
import urllib.error
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from ag_ui.core import (
    AssistantMessage,
    Context,
    FunctionCall,
    ResumeEntry,
    RunAgentInput,
    Tool,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agui_events import EVENT, assert_no_duplicates, assert_order, text_of, validated
from local_aws import REPOSITORY, LocalAws
from recorder import SECONDS
from relay_client import post, read_events

CODE = "correct horse battery staple"

TIMELINES = {
    "agent": ['{"turn":1}', '{"say":"Played."}'],
    "harness": [
        '{"turn":1}',
        '{"messageStart":{"role":"assistant"}}',
        '{"say":"Played."}',
        '{"messageStop":{"stopReason":"end_turn"}}',
    ],
    "runtime": [
        '{"event":{"type":"RUN_STARTED","threadId":"${thread_id}","runId":"${run_id}"}}',
        '{"say":"Played."}',
        '{"event":{"type":"RUN_FINISHED","threadId":"${thread_id}","runId":"${run_id}"}}',
    ],
}

# The prompts of each scenario, by its first word. A scenario that is missing here fails a test.
PROMPTS = {
    "agent": {
        "/tokens": ["/tokens 50 200", "/tokens 20 0 5"],
        "/slow": ["/slow 0.1"],
        "/pause": ["/pause 3 0.1"],
        "/emoji": ["/emoji"],
        "/single": ["/single"],
        "/trace": ["/trace 300"],
        "/error": ["/error throttlingException", "/error internalServerException 3"],
        "/cut": ["/cut 3"],
        "/corrupt": ["/corrupt 3"],
        "/tool": ["/tool", "/tool api", "/tool team", "/tool 5"],
        "/confirm": ["/confirm", "/confirm api", "/confirm result"],
        "/file": ["/file", "/file 1"],
        "/files": ["/files"],
        "/guardrail": ["/guardrail"],
        "/team": ["/team"],
        "/unknown": ["/unknown"],
        "/play": ["/play written.jsonl --speed 0"],
        "/help": ["/help"],
        "an answer": ["hello"],
    },
    "harness": {
        "/tokens": ["/tokens 50 200", "/tokens 20 0 1"],
        "/slow": ["/slow 0.1"],
        "/pause": ["/pause 3 0.1"],
        "/emoji": ["/emoji"],
        "/single": ["/single"],
        "/think": ["/think"],
        "/work": ["/work"],
        "/trace": ["/trace 300"],
        "/hook": ["/hook allow", "/hook deny", "/hook failed"],
        "/tool": ["/tool", "/tool 3", "/tool 3 together", "/tool empty", "/tool denied"],
        "/limit": ["/limit max_tokens"],
        "/guardrail": ["/guardrail"],
        "/error": ["/error throttlingException", "/error internalServerException 3"],
        "/refuse": ["/refuse retryableConflictException 1"],
        "/cut": ["/cut 3"],
        "/corrupt": ["/corrupt 3"],
        "/unknown": ["/unknown"],
        "/odd": ["/odd start", "/odd indices", "/odd untyped", "/odd members", "/odd unstopped"],
        "/play": ["/play written.jsonl --speed 0"],
        "/help": ["/help"],
        "an answer": ["hello"],
    },
    "runtime": {
        "/tokens": ["/tokens 50 200", "/tokens 20 0"],
        "/slow": ["/slow 0.1"],
        "/pause": ["/pause 3 0.1"],
        "/emoji": ["/emoji"],
        "/single": ["/single", "/single 300"],
        "/think": ["/think"],
        "/strands": ["/strands"],
        "/steps": ["/steps"],
        "/trace": ["/trace 300"],
        "/snapshot": ["/snapshot 300"],
        "/tool": ["/tool", "/tool 3"],
        "/interrupt": ["/interrupt"],
        "/error": [
            "/error throttlingException",
            "/error internalServerException 3",
            "/error SESSION_BUSY",
            "/error UNAUTHORIZED 3",
            "/error AGENT_ERROR",
        ],
        "/refuse": ["/refuse retryableConflictException 1", "/refuse RATE_LIMIT_EXCEEDED 1"],
        "/cut": ["/cut 3"],
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
        "/play": ["/play written.jsonl --speed 0"],
        "/help": ["/help"],
        "an answer": ["hello"],
    },
}

# Those that end in an error, with its code.
ERRORS = {
    "/error throttlingException": "throttling",
    "/error internalServerException 3": "internal_server",
    "/cut 3": "connection_lost",
    "/corrupt 3": "connection_lost",
    "/hook failed": "connection_lost",
    "/odd unstopped": "connection_lost",
    "/limit max_tokens": "limit_reached",
    "/error SESSION_BUSY": "conflict",
    "/error UNAUTHORIZED 3": "access_denied",
    "/error AGENT_ERROR": "dependency_failed",
    "/odd failure": "dependency_failed",
    "/odd gaveup": "dependency_failed",
    "/odd unended": "connection_lost",
    "/odd empty": "connection_lost",
    "/odd json": "bad_gateway",
}

# Those after which the client has something to answer.
ASKING = ["/tool", "/confirm", "/interrupt", "/odd unopened"]

# What an agent says when its interrupts are answered.
RESUMED = {"agent": "**confirmed**", "runtime": "I have your word"}

# The members that may be null; elsewhere what is absent is left out.
MAY_BE_NULL = {"snapshot", "value", "event"}

SCENARIOS = [
    (source, prompt, trace)
    for source, scenarios in PROMPTS.items()
    for prompts in scenarios.values()
    for prompt in prompts
    for trace in (False, True)
]

# The scripted agent takes its time as a real one does, so that the runs are done side by side.
AT_ONCE = 12


@pytest.fixture(scope="module")
def locals_(tmp_path_factory):
    folder = tmp_path_factory.mktemp("timelines")
    started = {}
    try:
        for source, lines in TIMELINES.items():
            (folder / source).mkdir()
            (folder / source / "written.jsonl").write_text("\n".join(lines))
            options = ["--source", source, "--timelines", str(folder / source)]
            options += ["--access-code", CODE, "--concurrency", str(2 * AT_ONCE)]
            started[source] = LocalAws(*options)
        yield started
    finally:
        for local in started.values():
            local.__exit__()


class Conversation:
    """A thread with its history, as a front end keeps it."""

    def __init__(self, local, *, nulls=False, **values):
        self.thread_id = str(uuid.uuid4())
        self.messages = []
        self._local = local
        self._nulls = nulls
        self._values = {"state": {}, "tools": [], "context": [], **values}

    def ask(self, prompt, **values):
        self.messages.append(UserMessage(id=str(uuid.uuid4()), content=prompt))
        return self.run(**values)

    def answer(self, call, content="done", *, id_=None, **values):
        id_ = id_ or str(uuid.uuid4())
        message = ToolMessage(id=id_, tool_call_id=call.id, content=content, **values)
        self.messages.append(message)

    def run(self, *, trace=False, resume=None):
        """Runs the agent, and returns its events; the history grows by what it says."""
        input_ = RunAgentInput(
            thread_id=self.thread_id,
            run_id=str(uuid.uuid4()),
            messages=self.messages,
            forwarded_props={"trace": trace},
            resume=resume,
            **self._values,
        )
        body = input_.model_dump_json(by_alias=True, exclude_none=not self._nulls)
        with ask(self._local, body) as response:
            events = list(read(response))
        assert_order(events)
        assert (events[0].thread_id, events[0].run_id) == (input_.thread_id, input_.run_id)
        self._hear(events)
        return events

    @property
    def open_calls(self):
        answered = {m.tool_call_id for m in self.messages if m.role == "tool"}
        calls = [
            call for m in self.messages if m.role == "assistant" for call in m.tool_calls or []
        ]
        return [call for call in calls if call.id not in answered]

    def _hear(self, events):
        for event in events:
            match event.type:
                case "TEXT_MESSAGE_START":
                    self._assistant(event.message_id)
                case "TEXT_MESSAGE_CONTENT":
                    self._assistant(event.message_id).content += event.delta
                case "TOOL_CALL_START":
                    function = FunctionCall(name=event.tool_call_name, arguments="")
                    call = ToolCall(id=event.tool_call_id, function=function)
                    message = self._assistant(event.parent_message_id or event.tool_call_id)
                    message.tool_calls = [*(message.tool_calls or []), call]
                case "TOOL_CALL_ARGS":
                    self._call(event.tool_call_id).function.arguments += event.delta
                case "TOOL_CALL_RESULT":
                    self.answer(self._call(event.tool_call_id), event.content, id_=event.message_id)
                case "MESSAGES_SNAPSHOT":
                    self._compare(event.messages)
                    self.messages = list(event.messages)
        ids = [message.id for message in self.messages]
        assert len(set(ids)) == len(ids)

    def _assistant(self, id_):
        for message in self.messages:
            if message.id == id_:
                return message
        self.messages.append(AssistantMessage(id=id_, content="", tool_calls=[]))
        return self.messages[-1]

    def _call(self, id_):
        calls = [
            call for m in self.messages if m.role == "assistant" for call in m.tool_calls or []
        ]
        return next(call for call in calls if call.id == id_)

    def _compare(self, snapshot):
        """What was told before a snapshot stands in it as it was told."""
        known = {message.id: message for message in snapshot}
        for message in self.messages:
            assert known[message.id].content == message.content
            told = getattr(message, "tool_calls", None) or []
            assert (getattr(known[message.id], "tool_calls", None) or []) == told


def ask(local, body, **headers):
    return post(local, body, **{"authorization": f"Bearer {CODE}", **headers})


def read(response):
    """The events of a response, each of which the models know in every member."""
    last = -1
    for plain in read_events(response):
        assert not [
            name for name, value in plain.items() if value is None and name not in MAY_BE_NULL
        ]
        event = validated(plain)
        assert EVENT.dump_python(event, mode="json", by_alias=True, exclude_unset=True) == plain
        # One that is in fragments over a WebSocket has the number of the last of them.
        relay = event.metadata["relay"]
        assert relay.get("after", relay["seq"] - 1) == last
        assert relay["seq"] > last
        last = relay["seq"]
        yield event


@pytest.mark.parametrize("source", PROMPTS)
def test_every_scenario_is_walked_through(locals_, source):
    help_ = text_of(Conversation(locals_[source]).ask("/help"))
    listed = set(re.findall(r"^\| `(/\w+)", help_, re.MULTILINE))
    assert len(listed) > 15
    walked = {name for name in PROMPTS[source] if name.startswith("/")}
    assert listed == walked, "PROMPTS above names each scenario that /help lists"


@pytest.fixture(scope="module")
def walks(locals_):
    """The walk through each scenario, which has begun."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {scenario: pool.submit(walk, locals_, *scenario) for scenario in SCENARIOS}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: f"{s[0]}: {s[1]}{' traced' * s[2]}")
def test_a_scenario_is_read_to_its_end(walks, scenario):
    walks[scenario].result()


def walk(locals_, source, prompt, trace):
    conversation = Conversation(locals_[source])
    events = conversation.ask(prompt, trace=trace)
    if source == "runtime":
        # The relay resumes messages of its own.
        assert_no_duplicates(events)
    rounds = 0
    while events[-1].type == "RUN_FINISHED":
        if events[-1].outcome and events[-1].outcome.type == "interrupt":
            payload = {"confirmed": True, "result": "done"}
            resume = [
                ResumeEntry(interrupt_id=interrupt.id, status="resolved", payload=payload)
                for interrupt in events[-1].outcome.interrupts
            ]
            events = conversation.run(trace=trace, resume=resume)
            assert RESUMED[source] in text_of(events)
        elif conversation.open_calls and not prompt.startswith(("/confirm", "/interrupt")):
            for call in conversation.open_calls:
                conversation.answer(call)
            events = conversation.run(trace=trace)
        else:
            break
        rounds += 1
    assert (rounds > 0) == (prompt.startswith(tuple(ASKING)) and prompt != "/tool denied")
    error = events[-1].code if events[-1].type == "RUN_ERROR" else None
    assert error == ERRORS.get(prompt), events[-1]
    if rounds and prompt.startswith("/tool"):
        assert "returned `done`" in text_of(events)


@pytest.mark.parametrize("source", PROMPTS)
@pytest.mark.parametrize("nulls", [False, True], ids=["", "with nulls for what is absent"])
def test_a_request_with_all_that_its_types_have(locals_, source, nulls):
    tool = Tool(name="get_weather", description="Tells the weather.", parameters={"type": "object"})
    values = {
        "state": {"page": 1},
        "tools": [tool],
        "context": [Context(description="page", value="Orders")],
        "parent_run_id": str(uuid.uuid4()),
    }
    conversation = Conversation(locals_[source], nulls=nulls, **values)
    assert "turn 1" in text_of(conversation.ask("/slow 0"))
    conversation.ask("/tool")
    (call,) = conversation.open_calls
    conversation.answer(call, "21 °C")
    assert "returned `21 °C`" in text_of(conversation.run())
    assert "turn 3" in text_of(conversation.ask("/slow 0"))


def test_a_confirmation_is_denied(locals_):
    conversation = Conversation(locals_["agent"])
    (interrupt,) = conversation.ask("/confirm")[-1].outcome.interrupts
    assert interrupt.reason == "confirmation"
    events = conversation.run(resume=[ResumeEntry(interrupt_id=interrupt.id, status="cancelled")])
    assert "You **declined**" in text_of(events)


def test_a_tool_that_failed(locals_):
    conversation = Conversation(locals_["harness"])
    conversation.ask("/tool")
    (call,) = conversation.open_calls
    conversation.answer(call, "", error="no sensor")
    assert "no sensor" in text_of(conversation.run())


@pytest.mark.parametrize("source", PROMPTS)
def test_text_comes_before_the_agent_has_ended(locals_, source):
    local = locals_[source]
    run_id = str(uuid.uuid4())
    input_ = RunAgentInput(
        thread_id=str(uuid.uuid4()),
        run_id=run_id,
        messages=[UserMessage(id="m1", content="/tokens 60 40")],
        state={},
        tools=[],
        context=[],
        forwarded_props={},
    )

    def has_ended():
        return any(run_id in line and "run ended" in line for line in local.output.splitlines())

    with ask(local, input_.model_dump_json(by_alias=True, exclude_none=True)) as response:
        events = read(response)
        next(event for event in events if event.type == "TEXT_MESSAGE_CONTENT")
        assert not has_ended()
        more = [event for event in events if event.type == "TEXT_MESSAGE_CONTENT"]
    assert len(more) > 5


def test_several_at_once(locals_):
    def text(number):
        return text_of(Conversation(locals_["agent"]).ask(f"/tokens {number} 100"))

    with ThreadPoolExecutor(6) as pool:
        for number, said in zip(range(20, 26), pool.map(text, range(20, 26))):
            assert said.split() == [str(each) for each in range(1, number + 1)]


def test_the_script_of_the_docs_runs():
    page = (REPOSITORY / "docs" / "connecting.md").read_text(encoding="utf-8")
    script = re.search(r"^```py ask\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]
    frozen = (REPOSITORY / "tests" / "python" / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"pip install (ag-ui-protocol==[\d.]+)", page)[1] in frozen.splitlines()
    with LocalAws() as local:
        script = script.replace("http://127.0.0.1:8080", local.page)
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "no_proxy": "127.0.0.1"},
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert "turn 1" in done.stdout


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {"authorization": None}),
        (401, {"authorization": "Bearer open sesame"}),
        (415, {"content-type": "text/plain"}),
        (403, {"origin": "https://evil.example"}),
    ],
)
def test_who_is_refused_is_told_why(locals_, status, headers):
    with pytest.raises(urllib.error.HTTPError) as raised:
        ask(locals_["agent"], "{}", **headers)
    with raised.value as response:
        assert response.code == status
        assert json.load(response)["message"]
