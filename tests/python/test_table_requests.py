"""What the function sends to its table, beside what botocore makes and signs of the same values."""

import base64
import json
import re
import uuid
from dataclasses import replace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from local_aws import LocalAws, function_with
from recorder import Recorder
from relay_client import WebSocketClient
from service_requests import ServiceRequests

REGION = "eu-central-1"
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/token+of==")

# Of the endpoint, below which the service begins.
ENDPOINT_PATH = "/dynamodb"

DYNAMODB = ServiceRequests("dynamodb")

# Longer than what stands in the item of the run itself.
LONG_PROMPT = "/tokens 400 0 " + "ä😀 " * 1000


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory):
    """What goes between function and table for a conversation of every kind of request."""
    with Recorder() as recorder:
        function = function_with(
            tmp_path_factory.mktemp("function"),
            # With a path, which belongs to what is signed.
            AWS_ENDPOINT_URL_DYNAMODB=f"{recorder.url}{ENDPOINT_PATH}",
            AWS_REGION=REGION,
            AWS_ACCESS_KEY_ID=CREDENTIALS.access_key,
            AWS_SECRET_ACCESS_KEY=CREDENTIALS.secret_key,
            AWS_SESSION_TOKEN=CREDENTIALS.token,
        )
        with LocalAws("--resume-hours", "1", "--function", str(function)) as local:
            recorder.agent = local.page
            with WebSocketClient(local) as client:
                converse(client, str(uuid.uuid4()))
            # The end of the last run.
            recorder.wait_for(is_end, 2)
        yield recorder.exchanges


def converse(client, thread):
    """Two runs, what the first of which says is kept apart, then a join of it and the history."""
    long, short = (
        client.send(json.dumps({"sessionId": thread, "prompt": prompt}))
        for prompt in (LONG_PROMPT, "/tokens 30 20")
    )
    assert [frames[-1]["type"] for frames in (long, short)] == ["RUN_FINISHED"] * 2
    joined = client.send(json.dumps({"join": {"key": key_of(long), "after": 3}}))
    assert joined[-1]["type"] == "RUN_FINISHED"
    history = client.send(json.dumps({"history": {"key": key_of(short)}}))
    assert history[0]["type"] != "RUN_ERROR", history


def key_of(frames):
    return frames[0]["metadata"]["relay"]["key"]


def test_every_operation_is_there(exchanges):
    operations = {operation_of(exchange) for exchange in exchanges}
    assert operations == {"PutItem", "GetItem", "UpdateItem", "Query"}
    assert {exchange.status for exchange in exchanges} == {200}


def test_each_request_is_botocores(exchanges):
    for exchange in exchanges:
        values = with_bytes(exchange.request)
        below = replace(exchange, path=exchange.path.removeprefix(ENDPOINT_PATH))
        DYNAMODB.assert_sent(below, operation_of(exchange), **values)


def test_each_signature_is_botocores(exchanges):
    for exchange in exchanges:
        scope, names, signature = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
            exchange.headers["authorization"],
        ).groups()
        date = exchange.headers["x-amz-date"]
        assert scope == f"{CREDENTIALS.access_key}/{date[:8]}/{REGION}/dynamodb/aws4_request"
        assert exchange.headers["x-amz-security-token"] == CREDENTIALS.token
        signed = names.split(";")
        for name in ("content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"):
            assert name in signed
        assert signature == botocores_signature(exchange, signed, date)


def botocores_signature(exchange, signed, date):
    """The signature of a request with these of its headers."""
    request = AWSRequest(
        exchange.method,
        f"http://{exchange.headers['host']}{exchange.path}",
        headers={name: exchange.headers[name] for name in signed},
        data=exchange.body,
    )
    request.context["timestamp"] = date
    auth = SigV4Auth(CREDENTIALS, "dynamodb", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth.signature(text, request)


def operation_of(exchange):
    service, operation = exchange.headers["x-amz-target"].split(".")
    assert service == "DynamoDB_20120810"
    return operation


def is_end(exchange):
    """Whether a run is kept with this."""
    return (
        operation_of(exchange) == "UpdateItem"
        and "#parts = " in exchange.request["UpdateExpression"]
    )


def with_bytes(value):
    """What botocore takes for JSON of the table: bytes, not their base64."""
    match value:
        case {"B": text}:
            return {"B": base64.b64decode(text)}
        case dict():
            return {name: with_bytes(member) for name, member in value.items()}
        case list():
            return [with_bytes(member) for member in value]
        case _:
            return value
