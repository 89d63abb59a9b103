"""What the template asks for: its parameters, what it refuses, and what a change costs."""

import re

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from deployment import AGENT, HARNESS, RUNTIME, references, refusals, translate

HARNESS_ARN = HARNESS["HarnessArn"]
RUNTIME_ARN = RUNTIME["RuntimeArn"]
NO_SOURCE = {"HarnessArn": "", "RuntimeArn": "", "AgentId": "", "AgentAliasId": ""}
ALIAS_ELSEWHERE = "arn:aws:bedrock:us-east-1:999999999999:agent-alias/AGENT12345/ALIAS12345"
OIDC = {"Access": "oidc", "OidcIssuer": "https://id.example.com", "OidcAudience": "chat"}


@pytest.fixture(scope="module")
def template():
    """The whole translated template, with its intrinsic functions."""
    return translate()


def test_every_parameter_is_used_by_a_resource(template):
    used = references(template["Resources"])
    conditions = template["Conditions"]
    used |= {
        name for condition in used & set(conditions) for name in references(conditions[condition])
    }
    assert set(template["Parameters"]) <= used
    assert set(conditions) <= used | references(template["Outputs"])


def test_every_parameter_says_what_it_is_and_stands_in_one_group(template):
    declared = template["Parameters"]
    for name, parameter in declared.items():
        assert len(parameter["Description"]) > 40, name
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"], name
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(declared)


def test_every_parameter_has_a_default_that_is_acceptable_by_itself(template):
    """Who answers is one of three, so no parameter is always needed: the rules ask for one. SAM asks for
    every parameter, and Enter must do for all the others."""
    for name, declared in template["Parameters"].items():
        assert accepts(declared, str(declared["Default"])), name


def test_the_access_code_is_hidden(template):
    assert [name for name, of in template["Parameters"].items() if of.get("NoEcho")] == [
        "AccessCode"
    ]


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("HarnessArn", "", True),
        ("HarnessArn", HARNESS_ARN, True),
        ("HarnessArn", HARNESS_ARN.replace(":aws:", ":aws-us-gov:"), True),
        # What the console shows, and the service refuses.
        ("HarnessArn", f"{HARNESS_ARN}/harness-endpoint/DEFAULT", False),
        # It stands in the role's policy.
        ("HarnessArn", HARNESS_ARN.replace("relay_demo-Ab12Cd34Ef", "*"), False),
        ("HarnessArn", HARNESS_ARN.replace("relay_demo", "relay*"), False),
        ("HarnessArn", HARNESS_ARN.replace("Ab12Cd34Ef", "*"), False),
        ("HarnessArn", HARNESS_ARN.replace("eu-central-1", "*"), False),
        ("HarnessArn", HARNESS_ARN.replace(":aws:", ":*:"), False),
        ("HarnessArn", HARNESS_ARN.replace("harness/", "runtime/"), False),
        ("HarnessArn", HARNESS_ARN[:-1], False),
        ("HarnessArn", f"{HARNESS_ARN}x", False),
        ("HarnessArn", HARNESS_ARN.replace("relay_demo", "9" * 5), False),
        ("HarnessArn", HARNESS_ARN.replace("relay_demo", "a" * 40), True),
        ("HarnessArn", HARNESS_ARN.replace("relay_demo", "a" * 41), False),
        ("HarnessArn", "relay_demo-Ab12Cd34Ef", False),
        ("HarnessEndpoint", "", True),
        ("HarnessEndpoint", "DEFAULT", True),
        ("HarnessEndpoint", "prod_2", True),
        ("HarnessEndpoint", "2prod", False),
        ("HarnessEndpoint", "prod-2", False),
        ("HarnessEndpoint", "prod/*", False),
        ("HarnessEndpoint", "a" * 48, True),
        ("HarnessEndpoint", "a" * 49, False),
        ("RuntimeArn", "", True),
        ("RuntimeArn", RUNTIME_ARN, True),
        ("RuntimeArn", RUNTIME_ARN.replace(":aws:", ":aws-us-gov:"), True),
        ("RuntimeArn", f"{RUNTIME_ARN}/runtime-endpoint/DEFAULT", False),
        ("RuntimeArn", RUNTIME_ARN.replace("relay_demo-Gh56Ij78Kl", "*"), False),
        ("RuntimeArn", RUNTIME_ARN.replace("relay_demo", "relay*"), False),
        ("RuntimeArn", RUNTIME_ARN.replace("Gh56Ij78Kl", "*"), False),
        ("RuntimeArn", RUNTIME_ARN.replace("eu-central-1", "*"), False),
        ("RuntimeArn", RUNTIME_ARN.replace(":aws:", ":*:"), False),
        ("RuntimeArn", RUNTIME_ARN.replace("runtime/", "harness/"), False),
        ("RuntimeArn", RUNTIME_ARN[:-1], False),
        ("RuntimeArn", f"{RUNTIME_ARN}x", False),
        ("RuntimeArn", RUNTIME_ARN.replace("relay_demo", "9" * 5), False),
        ("RuntimeArn", RUNTIME_ARN.replace("relay_demo", "a" * 48), True),
        ("RuntimeArn", RUNTIME_ARN.replace("relay_demo", "a" * 49), False),
        ("RuntimeArn", "relay_demo-Gh56Ij78Kl", False),
        ("RuntimeEndpoint", "", True),
        ("RuntimeEndpoint", "DEFAULT", True),
        ("RuntimeEndpoint", "prod_2", True),
        ("RuntimeEndpoint", "2prod", False),
        ("RuntimeEndpoint", "prod-2", False),
        ("RuntimeEndpoint", "prod/*", False),
        ("RuntimeEndpoint", "a" * 48, True),
        ("RuntimeEndpoint", "a" * 49, False),
        ("StopOnLeave", "true", True),
        ("StopOnLeave", "false", True),
        ("StopOnLeave", "", False),
        ("FileUse", "chat", True),
        ("FileUse", "code_interpreter", True),
        ("FileUse", "off", True),
        ("FileUse", "", False),
        ("FileUse", "true", False),
        ("AgentId", "ABCDE12345", True),
        ("AgentId", "", True),
        ("AgentId", "ABCDE123456", False),
        ("AgentId", "ABCDE-1234", False),
        ("AgentAliasId", "TSTALIASID", True),
        ("AgentAliasId", "", True),
        ("AgentAliasId", "TSTALIASID/*", False),
        ("AgentAliasArn", "", True),
        ("AgentAliasArn", "arn:aws:bedrock:us-east-1:123456789012:agent-alias/ABC/DEF", True),
        (
            "AgentAliasArn",
            "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:agent-alias/A/B",
            True,
        ),
        ("AgentAliasArn", "arn:aws:bedrock:us-east-1:123456789012:agent-alias/ABC/*", False),
        ("AgentAliasArn", "*", False),
        ("MemoryId", "", True),
        ("MemoryId", "user:7_a.b-c", True),
        ("MemoryId", "x", False),
        ("MemoryId", "x" * 101, False),
        ("MemoryId", "with space", False),
        ("AllowTrace", "true", True),
        ("AllowTrace", "yes", False),
        ("Access", "code", True),
        ("Access", "oidc", True),
        ("Access", "open", True),
        ("Access", "", False),
        ("Access", "none", False),
        ("AccessCode", "", True),
        ("AccessCode", "twelve chars", True),
        ("AccessCode", "eleven char", False),
        ("AccessCode", "x" * 128, True),
        ("AccessCode", "x" * 129, False),
        ("AccessCode", " leading space", False),
        ("AccessCode", "trailing space ", False),
        ("AccessCode", "ümläute in it", False),
        ("AccessCode", "two lines,\nno", False),
        ("OidcIssuer", "https://id.example.com/realms/chat", True),
        ("OidcIssuer", "http://id.example.com", False),
        ("OidcIssuer", "https://id.example.com/?realm=chat", False),
        ("OidcAudience", "api://chat", True),
        ("OidcAudience", "two words", False),
        ("OidcTokenUse", "access", True),
        ("OidcTokenUse", "refresh", False),
        ("AllowedOrigins", "https://a.example.com", True),
        ("AllowedOrigins", "https://a.example.com,http://localhost:3000", True),
        ("AllowedOrigins", "https://a.example.com/", False),
        ("AllowedOrigins", "https://a.example.com, https://b.example.com", False),
        ("AllowedOrigins", "*", False),
        ("AllowedOrigins", "null", False),
        ("SuggestedPrompts", "What can you do?|Tell me a story", True),
        ("SuggestedPrompts", "x" * 701, False),
        ("PageSettings", "", True),
        ("PageSettings", '{"title": "Help desk", "colours": {"accent": "#0f6e66"}}', True),
        ("PageSettings", "title: Help desk", False),
        ("PageSettings", '["title"]', False),
        ("PageSettings", '{"title":\n"Help desk"}', False),
        ("PageSettings", '{"title": "' + "x" * 900 + '"}', False),
        ("CustomWebSocketUrl", "wss://relay.example.com", True),
        ("CustomWebSocketUrl", "wss://relay.example.com/live", True),
        ("CustomWebSocketUrl", "ws://relay.example.com", False),
        ("CustomWebSocketUrl", "wss://relay.example.com/?a=b", False),
        ("HttpApi", "true", True),
        ("HttpApi", "false", True),
        ("HttpApi", "no", False),
        ("ResumeHours", "0", True),
        ("ResumeHours", "168", True),
        ("ResumeHours", "169", False),
        ("ResumeHours", "-1", False),
        ("AloneSeconds", "1", True),
        ("AloneSeconds", "900", True),
        ("AloneSeconds", "0", False),
        ("AloneSeconds", "901", False),
        ("MaxConcurrency", "0", True),
        ("MaxConcurrency", "-1", False),
        ("ThrottleRate", "0", False),
        ("ThrottleBurst", "0", False),
        ("LogRetentionDays", "30", True),
        ("LogRetentionDays", "31", False),
        ("AlarmEmail", "ops@example.com", True),
        ("AlarmEmail", "ops", False),
        ("WebSocketAccessLog", "true", True),
        ("WebSocketAccessLog", "yes", False),
    ],
)
def test_parameters_refuse_what_would_not_work(template, parameter, value, accepted):
    assert accepts(template["Parameters"][parameter], value) == accepted


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({}, []),
        # Who answers: exactly one, and whole.
        (AGENT, []),
        (HARNESS, []),
        (HARNESS | {"HarnessEndpoint": "prod"}, []),
        (HARNESS | {"StopOnLeave": "true"}, []),
        (HARNESS | {"HarnessEndpoint": "prod", "StopOnLeave": "true"}, []),
        (RUNTIME, []),
        (RUNTIME | {"RuntimeEndpoint": "prod"}, []),
        (RUNTIME | {"StopOnLeave": "true"}, []),
        (RUNTIME | {"RuntimeEndpoint": "prod", "StopOnLeave": "true"}, []),
        (AGENT | {"AgentAliasArn": ALIAS_ELSEWHERE}, []),
        (NO_SOURCE, ["Say who answers"]),
        (AGENT | HARNESS, ["only one can answer"]),
        (AGENT | RUNTIME, ["only one can answer"]),
        (HARNESS | RUNTIME, ["only one can answer"]),
        (AGENT | HARNESS | RUNTIME, ["only one can answer"]),
        ({"AgentId": "AGENT12345"}, ["AgentId needs an AgentAliasId"]),
        ({"AgentAliasId": "ALIAS12345"}, ["AgentAliasId needs an AgentId"]),
        (
            HARNESS | {"AgentId": "AGENT12345"},
            ["only one can answer", "AgentId needs an AgentAliasId"],
        ),
        (
            HARNESS | {"AgentAliasId": "ALIAS12345"},
            ["only one can answer", "AgentAliasId needs an AgentId"],
        ),
        (
            RUNTIME | {"AgentId": "AGENT12345"},
            ["only one can answer", "AgentId needs an AgentAliasId"],
        ),
        (
            RUNTIME | {"AgentAliasId": "ALIAS12345"},
            ["only one can answer", "AgentAliasId needs an AgentId"],
        ),
        (HARNESS | {"AgentAliasArn": ALIAS_ELSEWHERE}, ["AgentAliasArn is given"]),
        (RUNTIME | {"AgentAliasArn": ALIAS_ELSEWHERE}, ["AgentAliasArn is given"]),
        (
            NO_SOURCE | {"AgentAliasArn": ALIAS_ELSEWHERE},
            ["Say who answers", "AgentAliasArn is given"],
        ),
        (AGENT | {"HarnessEndpoint": "prod"}, ["HarnessEndpoint is given"]),
        (AGENT | {"RuntimeEndpoint": "prod"}, ["RuntimeEndpoint is given"]),
        (HARNESS | {"RuntimeEndpoint": "prod"}, ["RuntimeEndpoint is given"]),
        (RUNTIME | {"HarnessEndpoint": "prod"}, ["HarnessEndpoint is given"]),
        (AGENT | {"StopOnLeave": "true"}, ["StopOnLeave=true is for a harness or a runtime"]),
        (
            NO_SOURCE
            | {"HarnessEndpoint": "prod", "RuntimeEndpoint": "prod", "StopOnLeave": "true"},
            [
                "Say who answers",
                "HarnessEndpoint is given",
                "RuntimeEndpoint is given",
                "StopOnLeave=true is for a harness or a runtime",
            ],
        ),
        (AGENT | {"MemoryId": "team"}, []),
        (HARNESS | {"MemoryId": "team"}, []),
        (RUNTIME | {"MemoryId": "team"}, ["has its own memory"]),
        # Who gets in.
        ({"AccessCode": ""}, ["Access=code needs an AccessCode"]),
        ({"Access": "open", "AccessCode": ""}, []),
        # `sam deploy --guided` takes no empty answer for a hidden parameter.
        ({"Access": "open"}, []),
        (OIDC, []),
        (OIDC | {"AccessCode": ""}, []),
        (OIDC | {"OidcIssuer": ""}, ["needs an OidcIssuer"]),
        (OIDC | {"OidcAudience": ""}, ["needs an OidcAudience"]),
        ({"Access": "oidc"}, ["needs an OidcIssuer", "needs an OidcAudience"]),
        ({"OidcIssuer": "https://id.example.com"}, ["OidcIssuer is given"]),
        ({"OidcAudience": "chat"}, ["OidcAudience is given"]),
        (OIDC | {"Access": "open"}, ["OidcIssuer is given", "OidcAudience is given"]),
        (
            OIDC | {"Access": "code", "AccessCode": ""},
            ["Access=code needs an AccessCode", "OidcIssuer is given", "OidcAudience is given"],
        ),
    ],
)
def test_rules_refuse_choices_that_contradict_each_other(parameters, refused):
    messages = refusals(**parameters)
    assert len(messages) == len(refused), messages
    for message, part in zip(messages, refused, strict=True):
        assert part in message


def test_changing_a_parameter_replaces_nothing_but_the_alarms_mailbox(template):
    """So it cuts no live connection, changes no address and loses no answer: a property that can't be
    changed on a resource that exists depends on no parameter, and all but the API for HTTP and the table
    with its alarm, which can be left out, is always there."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::SNS::Subscription":
            continue
        condition = "ServesHttp" if name.startswith("Agui") else None
        condition = "KeepsRuns" if name.startswith("Runs") else condition
        assert resource.get("Condition") == condition, name
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(
            "eu-central-1", resource["Type"]
        ).schema
        # The second kind can be changed in some ways only.
        for path in (
            *schema.get("createOnlyProperties", []),
            *schema.get("conditionalCreateOnlyProperties", []),
        ):
            value = resource["Properties"].get(path.removeprefix("/properties/").split("/")[0])
            used = references(value) & (set(template["Parameters"]) | set(template["Conditions"]))
            assert not used, f"{name}: {path}"


def accepts(declared, value):
    """Whether CloudFormation takes the value; it matches a pattern against all of it."""
    if declared["Type"] == "Number":
        number = float(value)
        return declared.get("MinValue", number) <= number <= declared.get(
            "MaxValue", number
        ) and number in declared.get("AllowedValues", [number])
    return (
        re.fullmatch(declared.get("AllowedPattern", "(?s).*"), value) is not None
        and declared.get("MinLength", 0) <= len(value) <= declared.get("MaxLength", 4096)
        and value in declared.get("AllowedValues", [value])
    )
