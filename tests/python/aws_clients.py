"""boto3's clients of the local AWS."""

import boto3
from botocore.config import Config

SECONDS = 30

# Refusals of AgentCore, with the HTTP status and the class that boto3 makes of its model.
AGENTCORE_REFUSALS = [
    ("accessDeniedException", 403, "AccessDeniedException"),
    ("authorizationDenied", 500, "ClientError"),
    ("internalServerException", 500, "InternalServerException"),
    ("resourceNotFoundException", 404, "ResourceNotFoundException"),
    ("retryableConflictException", 409, "RetryableConflictException"),
    ("runtimeClientError", 424, "RuntimeClientError"),
    ("serviceQuotaExceededException", 402, "ServiceQuotaExceededException"),
    ("throttlingException", 429, "ThrottlingException"),
    ("unauthorizedException", 401, "UnauthorizedException"),
    ("validationException", 400, "ValidationException"),
]


def make_client(service, endpoint, **config):
    """A client of a service at this address."""
    return boto3.client(service, **_settings(endpoint, **config))


def make_resource(service, endpoint):
    """boto3's objects of a service at this address."""
    return boto3.resource(service, **_settings(endpoint))


def _settings(endpoint, **config):
    return {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        # Every attempt counts: a retry would hide a failure.
        "config": Config(
            connect_timeout=SECONDS,
            read_timeout=SECONDS,
            retries={"total_max_attempts": 1},
            **config,
        ),
    }


def status_of(raised):
    """The HTTP status of the error that was raised."""
    return raised.value.response["ResponseMetadata"]["HTTPStatusCode"]


def assert_modelled(raised, status, kind):
    """The error that was raised is of the class that boto3 makes of its model."""
    assert (type(raised.value).__name__, status_of(raised)) == (kind, status)
    assert raised.value.response["Error"]["Message"]
    if kind == "ValidationException":
        assert raised.value.response["reason"] == "FieldValidationFailed"


def unknown_members(node):
    """Members of unions that AWS's model does not know, wherever they are in an event."""
    match node:
        case dict():
            if "SDK_UNKNOWN_MEMBER" in node:
                yield node
            for value in node.values():
                yield from unknown_members(value)
        case list():
            for value in node:
                yield from unknown_members(value)
