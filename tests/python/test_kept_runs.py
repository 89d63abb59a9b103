"""Answers that outlive their connections, kept in a table that nobody of this project wrote: moto's.

The function is the one that is deployed, and its agent and gateway are those of the local AWS, which has
no table here.
"""

import base64
import json
import time
import uuid

import pytest
from aws_clients import make_resource
from local_aws import LocalAws, function_with
from moto.server import ThreadedMotoServer
from openid_provider import base64url
from relay_client import TERMINAL, WebSocketClient

TABLE = "runs"
RUN = ("conversation", "run")
# Longer than what stands in the item of the run itself.
LONG_PROMPT = "What are these? " + " ".join(str(number**3) for number in range(1500))


@pytest.fixture(scope="module")
def dynamodb():
    """DynamoDB's endpoint."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="module")
def table(dynamodb):
    """The table as `template.yaml` makes it."""
    table = make_resource("dynamodb", dynamodb).create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(RUN, ("HASH", "RANGE"), strict=True)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in RUN],
    )
    table.meta.client.update_time_to_live(
        TableName=TABLE,
        TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
    )
    return table


@pytest.fixture(scope="module")
def local(dynamodb, table, tmp_path_factory):
    function = function_with(
        tmp_path_factory.mktemp("function"),
        AWS_ENDPOINT_URL_DYNAMODB=dynamodb,
        RUNS_TABLE=table.name,
        RESUME_HOURS="2",
    )
    with LocalAws("--resume-hours", "0", "--function", str(function)) as local:
        yield local


@pytest.fixture
def conversation(local, table):
    return Conversation(local, table)


def test_a_run_that_was_cut_goes_on_over_another_connection(conversation):
    run = conversation.run()
    with conversation.connect() as client:
        client.begin(conversation.prompt("/tokens 60 20"))
        run.read(client, until=lambda: run.words > 5)
        client.leave()
    with conversation.connect() as client:
        client.begin(conversation.ask_for("join", run, after=run.last))
        run.read_to_end(client)
    assert run.text.split() == numbers(60)
    assert run.end["type"] == "RUN_FINISHED"
    conversation.wait_for_end(run)
    assert conversation.calls_of_the_agent() == 1
    item = conversation.item()
    assert item["gen"] == item["taken"] == 1
    # What a short run has said is in its item.
    assert item["parts"] == 0
    assert 0 < len(item["journal"].value) <= 2048
    assert conversation.parts() == []


def test_a_run_that_nobody_waited_for_is_kept_whole(conversation):
    run = conversation.run()
    with conversation.connect() as client:
        client.begin(conversation.prompt("/tokens 40 40"))
        run.read(client, until=lambda: run.words > 1)
        client.leave()
    conversation.wait_for_end(run, "kept")
    for after, whole in ((run.last, run), (-1, conversation.run())):
        with conversation.connect() as client:
            client.begin(conversation.ask_for("join", run, after=after))
            whole.read_to_end(client)
        assert whole.text.split() == numbers(40)
        assert whole.end["type"] == "RUN_FINISHED"
        assert whole.key == run.key
    assert conversation.calls_of_the_agent() == 1


def test_a_run_is_stopped_from_another_connection(conversation):
    run = conversation.run()
    with conversation.connect() as client, conversation.connect() as other:
        client.begin(conversation.prompt("/tokens 4000 20"))
        run.read(client, until=lambda: run.words > 3)
        other.begin(conversation.ask_for("stop", run))
        run.read_to_end(client)
    assert run.end["type"] == "RUN_FINISHED"
    assert run.end["metadata"]["relay"]["stopped"] is True
    said = run.text.split()
    assert said == numbers(4000)[: len(said)]
    conversation.wait_for_end(run, "stopped")
    assert conversation.item()["stop"] is True


def test_a_conversation_is_shown_again(conversation):
    prompts, answers = [LONG_PROMPT, "/tokens 4 100"], []
    for prompt in prompts:
        run = conversation.run()
        with conversation.connect() as client:
            client.begin(conversation.prompt(prompt))
            run.read_to_end(client)
        conversation.wait_for_end(run)
        answers.append(run.text)
    # The long one stands beside its item.
    assert [type(item["input"]).__name__ for item in conversation.items()] == ["Decimal", "str"]
    with conversation.connect() as client:
        started, shown, finished = client.send(conversation.ask_for("history", run))
    assert [frame["type"] for frame in (started, shown, finished)] == [
        "RUN_STARTED",
        "MESSAGES_SNAPSHOT",
        "RUN_FINISHED",
    ]
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"] * 2
    contents = [message["content"] for message in shown["messages"]]
    assert contents[::2] == prompts
    assert contents[1::2] == answers


@pytest.mark.parametrize("wish", ["join", "stop", "history"])
def test_a_run_that_has_expired_is_none(conversation, wish):
    run = conversation.finished_run()
    key = {name: conversation.item()[name] for name in RUN}
    conversation.table.update_item(
        Key=key,
        UpdateExpression="SET expires = :past",
        ExpressionAttributeValues={":past": int(time.time()) - 1},
    )
    assert conversation.refusal(conversation.ask_for(wish, run)) == "no_such_run"
    # Nobody has removed it.
    assert conversation.item()["id"]


@pytest.mark.parametrize("wish", ["join", "stop", "history"])
def test_the_key_of_another_run_opens_none(conversation, local, table, wish):
    run, other = conversation.finished_run(), Conversation(local, table).finished_run()
    secret_of_the_other = contents(run.key) | {"k": contents(other.key)["k"]}
    forged = key_of(secret_of_the_other)
    assert forged not in (run.key, other.key)
    before = conversation.item()
    assert conversation.refusal(json.dumps({wish: {"key": forged}})) == "no_such_run"
    assert conversation.item() == before
    # The run is there for who has its own.
    with conversation.connect() as client:
        frames = client.send(conversation.ask_for("join", run))
    assert frames[-1]["type"] == "RUN_FINISHED"


def test_the_table_has_no_key_and_forgets_each_run(conversation):
    # What it has said is too much for its item.
    run = conversation.finished_run("/tokens 4000 0")
    item = conversation.item()
    assert contents(run.key)["k"] not in str(item)
    assert item["key"].value != run.key.encode() and len(item["key"].value) == 32
    now = time.time()
    assert now + 7000 < item["expires"] < now + 7300
    parts = conversation.parts()
    assert item["parts"] == 1 and "journal" not in item
    assert [part["run"] for part in parts] == ["0"]
    assert [part["expires"] for part in parts] == [item["expires"]]


# Helpers.


class Conversation:
    """A thread of a client, and what is in the table of it."""

    def __init__(self, local, table):
        self.local = local
        self.table = table
        self.session_id = str(uuid.uuid4())

    def connect(self):
        return WebSocketClient(self.local)

    def run(self):
        """What a client is to have of a run."""
        return ReceivedRun()

    def finished_run(self, prompt="/tokens 3 100"):
        """A run at its end, by default a short one."""
        run = self.run()
        with self.connect() as client:
            client.begin(self.prompt(prompt))
            run.read_to_end(client)
        self.wait_for_end(run)
        return run

    def prompt(self, text):
        return json.dumps({"prompt": text, "sessionId": self.session_id})

    def ask_for(self, wish, run, **more):
        return json.dumps({wish: {"key": run.key, **more}})

    def refusal(self, message):
        """The code of the one frame that comes back."""
        with self.connect() as client:
            (frame,) = client.send(message)
        return frame["code"]

    def wait_for_end(self, run, outcome=""):
        """Waits until the function has done all that it does for a run, writing its end among it."""
        self.local.wait_for_line("run ended", f'run_id="{run.id}"', outcome)

    def calls_of_the_agent(self):
        """How often the agent was called."""
        lines = self.local.output.splitlines()
        return sum("invoked" in line and self.session_id in line for line in lines)

    def items(self):
        """The items of the conversation's runs, the oldest first."""
        return self._query(self.session_id)

    def item(self):
        """The item of its only run."""
        (item,) = self.items()
        return item

    def parts(self):
        """What is kept beside the item of its only run."""
        return self._query(f"{self.session_id}/{self.item()['run']}")

    def _query(self, conversation):
        response = self.table.query(
            KeyConditionExpression="conversation = :conversation",
            ExpressionAttributeValues={":conversation": conversation},
            ConsistentRead=True,
        )
        assert "LastEvaluatedKey" not in response
        return response["Items"]


class ReceivedRun:
    """What a client has of a run, by the rule that clients follow."""

    def __init__(self):
        self.last = -1
        """The number of the last frame."""
        self.frames = []

    def read(self, client, until):
        while not until():
            frame = client.next_frame()
            relay = frame["metadata"]["relay"]
            if relay["seq"] <= self.last:
                continue
            assert relay.get("after", relay["seq"] - 1) <= self.last, f"a gap before {frame}"
            self.last = relay["seq"]
            self.frames.append(frame)

    def read_to_end(self, client):
        self.read(client, until=lambda: self.frames and self.end["type"] in TERMINAL)
        assert [frame["type"] in TERMINAL for frame in self.frames].count(True) == 1

    @property
    def id(self):
        return self._relay_of_start["runId"]

    @property
    def key(self):
        return self._relay_of_start["key"]

    @property
    def text(self):
        return "".join(frame.get("delta", "") for frame in self.frames)

    @property
    def words(self):
        return len(self.text.split())

    @property
    def end(self):
        return self.frames[-1]

    @property
    def _relay_of_start(self):
        assert self.frames[0]["type"] == "RUN_STARTED"
        return self.frames[0]["metadata"]["relay"]


def contents(key):
    """What is in a key, which clients don't look into."""
    return json.loads(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))


def key_of(contents):
    return base64url(json.dumps(contents, separators=(",", ":")).encode())


def numbers(count):
    """The words of `/tokens` with that many of them."""
    return [str(number) for number in range(1, count + 1)]
