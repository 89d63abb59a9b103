"""The function before a scripted harness or runtime, with a recorder between them."""

import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from local_aws import LocalAws
from recorder import Recorder
from relay_client import agentcore_session_id
from service_requests import ServiceRequests

# What the function is given for each message.
FUNCTION_SECONDS = 120

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"

AGENTCORE = ServiceRequests("bedrock-agentcore")


@dataclass(frozen=True)
class Deployment:
    """What runs, and the variables that the function has besides."""

    local: LocalAws
    recorder: Recorder
    environment: dict


@contextmanager
def deployments(tmp_path_factory, source, timelines=()):
    """A function that makes deployments with this source and these timelines; they end together."""
    with ExitStack() as stack:

        def deploy(*options, function_seconds=FUNCTION_SECONDS, **environment):
            folder = tmp_path_factory.mktemp("deployment")
            for name, text in dict(timelines).items():
                (folder / name).write_text(text)
            recorder = stack.enter_context(Recorder())
            function = recorder.function(folder, **environment)
            options = [
                f"--source={source}",
                f"--function={function}",
                f"--timelines={folder}",
                f"--function-timeout-s={function_seconds}",
                *options,
            ]
            local = stack.enter_context(LocalAws(*options))
            recorder.agent = local.agentcore
            return Deployment(local, recorder, environment)

        yield deploy


class RecordedConversation:
    """A thread of a client, and what goes between function and agent for it; a context manager."""

    def __init__(self, deployment, client, *, user=None):
        self.deployment = deployment
        self.session_id = str(uuid.uuid4())
        """The client's."""
        self.user = user
        self._client = client

    def __enter__(self):
        self._client.__enter__()
        return self

    def __exit__(self, *exception):
        self._client.__exit__(*exception)

    @property
    def agentcore_session_id(self):
        return agentcore_session_id(self.session_id, self.user)

    def send(self, message):
        """Sends a message; returns the frames and what went between function and agent."""
        before = len(self.deployment.recorder.exchanges)
        frames = self._client.send(message)
        return frames, self.deployment.recorder.exchanges[before:]

    def send_and_leave(self, message):
        """Sends a message, and leaves when its run has started."""
        self._client.send_and_leave(message)

    def exchanges(self):
        """Every exchange about the session so far."""
        return list(filter(self._is_ours, self.deployment.recorder.exchanges))

    def wait_for_exchanges(self, count, path=""):
        """The exchanges about the session with this part in their path, once there are so many."""

        def is_wanted(exchange):
            return self._is_ours(exchange) and path in exchange.path

        return self.deployment.recorder.wait_for(is_wanted, count)

    def assert_stop(self, exchange, arn, qualifier):
        """A session was stopped, with a token by which the service knows another attempt."""
        assert exchange.status == 200
        AGENTCORE.assert_sent(
            exchange,
            "StopRuntimeSession",
            agentRuntimeArn=arn,
            qualifier=qualifier,
            runtimeSessionId=self.agentcore_session_id,
            clientToken=exchange.request["clientToken"],
        )

    def _is_ours(self, exchange):
        return exchange.headers[SESSION_HEADER] == self.agentcore_session_id
