"""What both Python peers share: the event, the agent's stream and the posts, with boto3."""

import json
import os

import boto3

agent = boto3.client("bedrock-agent-runtime")
gateway = boto3.client("apigatewaymanagementapi")


def events(message):
    """The events of the agent's answer, as boto3 gives them."""
    answer = agent.invoke_agent(
        agentId=os.environ["AGENT_ID"],
        agentAliasId=os.environ["AGENT_ALIAS_ID"],
        sessionId=message["sessionId"],
        inputText=message["prompt"],
        enableTrace=message.get("trace", False),
        streamingConfigurations={"streamFinalResponse": True},
    )
    return answer["completion"]


def post(connection, frame):
    gateway.post_to_connection(
        ConnectionId=connection, Data=json.dumps(frame, default=str).encode()
    )


def message_of(event):
    """The connection and the client's message; no message for `$connect` and `$disconnect`."""
    context = event["requestContext"]
    is_message = context["routeKey"] == "$default"
    return context["connectionId"], json.loads(event["body"]) if is_message else None
