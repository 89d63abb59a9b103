"""What the tests of the function's requests to AgentCore share.

Each of them has a `deploy` of its own, which makes deployments, and a `full` one.
"""

import pytest
from openid_provider import OpenIdProvider


@pytest.fixture(scope="module")
def plain(deploy):
    """A deployment with nothing but the ARN."""
    return deploy()


@pytest.fixture(scope="module")
def stopping(deploy):
    """One that stops the sessions of clients that leave, soon sees that they did, and keeps answers: the
    agent works on alone for a moment."""
    return deploy("--stop-on-leave=true", KEEPALIVE_SECONDS="1", ALONE_SECONDS="1")


@pytest.fixture(params=["stopping", "full"])
def stops(request):
    """A deployment that stops sessions: one that keeps answers, and one with an endpoint's name, which
    keeps none."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def provider():
    with OpenIdProvider() as provider:
        yield provider
