"""What the function sends to the agent, beside what botocore makes of the same values.

A client answers the scripted agent's returns of control. The expected request is built from the
agent's own event and the client's answer, and serialised by botocore with AWS's model of the API.
"""

import json
import uuid

import pytest
from local_aws import LocalAws
from recorder import Recorder
from relay_client import WebSocketClient
from service_requests import ServiceRequests
from texts import AWKWARD

AGENT = ServiceRequests("bedrock-agent-runtime")


@pytest.fixture(scope="module")
def recorder():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def local(recorder, tmp_path_factory):
    function = recorder.function(tmp_path_factory.mktemp("function"))
    with LocalAws("--function", str(function)) as local:
        recorder.agent = local.bedrock
        yield local


@pytest.fixture(params=["short form", "RunAgentInput"])
def conversation(request, local, recorder):
    """A conversation in either form of a message."""
    with WebSocketClient(local) as client:
        yield Conversation(client, recorder, agui=request.param == "RunAgentInput")


class Conversation:
    def __init__(self, client, recorder, *, agui):
        self.session_id = str(uuid.uuid4())
        self._client = client
        self._recorder = recorder
        self._agui = agui
        self._messages = []

    def ask(self, prompt):
        """Sends a prompt; returns the frames and what went between function and agent."""
        self._messages.append({"id": "question", "role": "user", "content": prompt})
        return self._run({"prompt": prompt}, {})

    def answer(self, answers):
        """Sends answers, each the id of a tool call with `content`, `error`, `confirmed`."""
        resume = []
        for answer in answers:
            id_ = answer["toolCallId"]
            if "confirmed" in answer:
                payload = {"confirmed": answer["confirmed"]}
                resume.append({"interruptId": id_, "status": "resolved", "payload": payload})
            if "content" in answer or "error" in answer:
                message = {"id": f"answer to {id_}", "role": "tool", "content": ""}
                self._messages.append(message | answer)
        return self._run({"toolResults": answers}, {"resume": resume} if resume else {})

    def _run(self, short_form, agui):
        before = len(self._recorder.exchanges)
        if self._agui:
            message = agui | {
                "threadId": self.session_id,
                "runId": str(uuid.uuid4()),
                "messages": self._messages,
            }
        else:
            message = short_form | {"sessionId": self.session_id}
        frames = self._client.send(json.dumps(message))
        exchanges = self._recorder.exchanges[before:]
        assert len(exchanges) == 1, frames
        return frames, exchanges[0]


DONE = {"content": "21 °C"}
FAILED = {"error": "no sensor"}
YES = {"confirmed": True}
NO = {"confirmed": False}


@pytest.mark.parametrize(
    ("prompt", "answers", "ending"),
    [
        pytest.param("/tool", [DONE], "RUN_FINISHED", id="function"),
        pytest.param("/tool api", [DONE], "RUN_FINISHED", id="api"),
        pytest.param("/tool team", [DONE], "RUN_FINISHED", id="function of a collaborator"),
        pytest.param("/tool", [{"content": AWKWARD}], "RUN_FINISHED", id="awkward text"),
        pytest.param("/tool api", [{"content": AWKWARD}], "RUN_FINISHED", id="awkward body"),
        pytest.param("/tool", [{"content": ""}], "RUN_FINISHED", id="empty text"),
        pytest.param("/tool", [FAILED], "dependency_failed", id="function failed"),
        pytest.param("/tool api", [FAILED], "dependency_failed", id="api failed"),
        pytest.param("/tool 5", [DONE] * 5, "RUN_FINISHED", id="several"),
        pytest.param("/tool 2", [DONE, FAILED], "dependency_failed", id="one of several failed"),
        pytest.param("/tool 3", [DONE], "validation", id="some of several"),
        pytest.param("/confirm", [YES], "RUN_FINISHED", id="function confirmed"),
        pytest.param("/confirm", [NO], "RUN_FINISHED", id="function denied"),
        pytest.param("/confirm api", [YES], "RUN_FINISHED", id="api confirmed"),
        pytest.param("/confirm api", [NO], "RUN_FINISHED", id="api denied"),
        pytest.param("/confirm result", [YES | DONE], "RUN_FINISHED", id="confirmed with result"),
        pytest.param("/confirm result", [NO], "RUN_FINISHED", id="denied without result"),
        pytest.param(
            "/confirm result", [YES | FAILED], "dependency_failed", id="confirmed and failed"
        ),
    ],
)
def test_answers_reach_the_agent_as_botocore_would_send_them(conversation, prompt, answers, ending):
    frames, asking = conversation.ask(prompt)
    calls = [frame["toolCallId"] for frame in frames if frame["type"] == "TOOL_CALL_CHUNK"]
    (control,) = asking.events("returnControl")
    inputs = control["invocationInputs"]
    assert len(calls) == len(inputs)

    frames, answering = conversation.answer(
        [{"toolCallId": call} | answer for call, answer in zip(calls, answers)]
    )

    assert frames[-1].get("code", frames[-1]["type"]) == ending
    assert_invocation(
        answering,
        sessionId=conversation.session_id,
        enableTrace=False,
        streamingConfigurations={"streamFinalResponse": True},
        sessionState={
            "invocationId": control["invocationId"],
            "returnControlInvocationResults": [
                result_of(input_, **answer) for input_, answer in zip(inputs, answers)
            ],
        },
    )


def test_a_prompt_with_all_that_can_go_with_it_is_what_botocore_would_send(local, recorder):
    with WebSocketClient(local) as client:
        message = {
            "prompt": AWKWARD,
            "sessionId": f"all:of_the.signs-{uuid.uuid4()}",
            "email": "ada@example.com",
            "trace": True,
            "sessionAttributes": {"plan": "gold", "näme": AWKWARD},
            "promptSessionAttributes": {"today": "2026-11-23"},
            "endSession": True,
        }
        before = len(recorder.exchanges)
        client.send(json.dumps(message))
    (exchange,) = recorder.exchanges[before:]
    assert_invocation(
        exchange,
        sessionId=message["sessionId"],
        inputText=AWKWARD,
        enableTrace=True,
        endSession=True,
        streamingConfigurations={"streamFinalResponse": True},
        sessionState={
            "sessionAttributes": message["sessionAttributes"] | {"email": "ada@example.com"},
            "promptSessionAttributes": {"today": "2026-11-23"},
        },
    )


# Helpers.


def result_of(input_, *, content=None, error=None, confirmed=None):
    """The answer to one of the agent's calls, as the API reference describes it."""
    ((kind, call),) = input_.items()
    text = error if content is None else content
    result = {"actionGroup": call["actionGroup"], "agentId": call["agentId"]}
    if confirmed is not None:
        result["confirmationState"] = "CONFIRM" if confirmed else "DENY"
    if error is not None:
        result["responseState"] = "FAILURE"
    if kind == "functionInvocationInput":
        result["function"] = call["function"]
        if text is not None:
            result["responseBody"] = {"TEXT": {"body": text}}
        return {"functionResult": result}
    result |= {"apiPath": call["apiPath"], "httpMethod": call["httpMethod"]}
    if text is not None:
        result["responseBody"] = {"application/json": {"body": text}}
    if content is not None:
        result["httpStatusCode"] = 200
    return {"apiResult": result}


def assert_invocation(exchange, **values):
    AGENT.assert_sent(
        exchange, "InvokeAgent", agentId="LOCALAGENT", agentAliasId="LOCALALIAS", **values
    )
