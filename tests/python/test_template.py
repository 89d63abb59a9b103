"""The deployment template, as CloudFormation will see it after SAM has translated it.

The translated template is resolved for concrete deployments, so that every
assertion below compares whole ARNs and URLs, not intrinsic functions.
Runs offline, in the SAM CLI's virtual environment (``requirements-sam.txt``).
"""

import re
from pathlib import Path

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[2] / "template.yaml"

API = "WebSocketApi"
FUNCTION = "RelayFunction"
FUNCTION_ARN = "arn-of-the-function"

HERE = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "relay",
}
CHINA = HERE | {
    "AWS::Partition": "aws-cn",
    "AWS::Region": "cn-north-1",
    "AWS::URLSuffix": "amazonaws.com.cn",
}
# What CloudFormation gives for a reference to a resource.
RESOURCES = {
    API: "abcdef1234",
    f"{API}.ApiId": "abcdef1234",
    f"{FUNCTION}.Arn": FUNCTION_ARN,
    "RelayLogs": "relay-logs",
}
REQUIRED = {"AgentId": "AGENT12345", "AgentAliasId": "ALIAS12345"}


@pytest.fixture
def translated(monkeypatch):
    """The whole translated template, with its intrinsic functions."""
    return translate(monkeypatch, HERE)


@pytest.fixture
def deployed(monkeypatch):
    """A function that deploys with the given parameters and returns the resolved resources."""

    def deploy(where=HERE, **parameters):
        template = translate(monkeypatch, where)
        values = {
            name: declared["Default"]
            for name, declared in template["Parameters"].items()
            if "Default" in declared
        }
        values |= REQUIRED | parameters | RESOURCES | where
        return {
            section: resolve(template[section], values, template["Conditions"])
            for section in ("Resources", "Outputs")
        }

    return deploy


def test_the_three_routes_all_go_to_the_one_function(deployed):
    resources = deployed()["Resources"]
    functions = of_type(resources, "AWS::Lambda::Function")
    assert list(functions) == [FUNCTION]

    integrations = of_type(resources, "AWS::ApiGatewayV2::Integration")
    targets = {
        route["RouteKey"]: integrations[route["Target"].removeprefix("integrations/")]
        for route in of_type(resources, "AWS::ApiGatewayV2::Route").values()
    }
    assert set(targets) == {"$connect", "$disconnect", "$default"}
    assert len(integrations) == 3
    for route_key, integration in targets.items():
        assert integration["IntegrationType"] == "AWS_PROXY", route_key
        assert integration["IntegrationUri"] == (
            "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31"
            f"/functions/{FUNCTION_ARN}/invocations"
        ), route_key


def test_only_this_stage_of_this_api_may_invoke_the_function(deployed):
    permissions = of_type(deployed()["Resources"], "AWS::Lambda::Permission").values()
    for permission in permissions:
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert permission["FunctionName"] == FUNCTION_ARN
    assert {permission["SourceArn"] for permission in permissions} == {
        f"arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/{route_key}"
        for route_key in ("$connect", "$disconnect", "$default")
    }


def test_the_api_has_one_stage_that_deploys_itself(deployed):
    resources = deployed()["Resources"]
    (api,) = of_type(resources, "AWS::ApiGatewayV2::Api").values()
    assert (api["ProtocolType"], api["Name"]) == ("WEBSOCKET", "relay")
    (stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    assert (stage["StageName"], stage["AutoDeploy"]) == ("live", True)


def test_the_function_may_invoke_the_alias_post_to_the_stage_and_log_and_nothing_else(deployed):
    resources = deployed()["Resources"]
    (role,) = of_type(resources, "AWS::IAM::Role").values()
    assert role["ManagedPolicyArns"] == [
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    ]
    assert rights(role) == {
        (
            "bedrock:InvokeAgent",
            "arn:aws:bedrock:eu-central-1:123456789012:agent-alias/AGENT12345/ALIAS12345",
        ),
        (
            "execute-api:ManageConnections",
            "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/POST/@connections/*",
        ),
    }
    assert not of_type(resources, "AWS::IAM::Policy")
    assert not of_type(resources, "AWS::IAM::ManagedPolicy")


def test_rights_and_addresses_follow_the_partition(deployed):
    resources = deployed(where=CHINA)["Resources"]
    (role,) = of_type(resources, "AWS::IAM::Role").values()
    assert rights(role) == {
        (
            "bedrock:InvokeAgent",
            "arn:aws-cn:bedrock:cn-north-1:123456789012:agent-alias/AGENT12345/ALIAS12345",
        ),
        (
            "execute-api:ManageConnections",
            "arn:aws-cn:execute-api:cn-north-1:123456789012:abcdef1234/live/POST/@connections/*",
        ),
    }
    assert environment(resources)["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == (
        "https://abcdef1234.execute-api.cn-north-1.amazonaws.com.cn/live"
    )


def test_an_alias_that_lives_elsewhere_replaces_the_default_arn(deployed):
    elsewhere = "arn:aws:bedrock:us-east-1:999999999999:agent-alias/AGENT12345/ALIAS12345"
    (role,) = of_type(deployed(AgentAliasArn=elsewhere)["Resources"], "AWS::IAM::Role").values()
    assert ("bedrock:InvokeAgent", elsewhere) in rights(role)
    assert len(rights(role)) == 2


def test_the_function_gets_its_whole_configuration(deployed):
    resources = deployed(MemoryId="user-7", AllowTrace="true")["Resources"]
    assert environment(resources) == {
        "AGENT_ID": "AGENT12345",
        "AGENT_ALIAS_ID": "ALIAS12345",
        "MEMORY_ID": "user-7",
        "ALLOW_TRACE": "true",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": (
            "https://abcdef1234.execute-api.eu-central-1.amazonaws.com/live"
        ),
    }


def test_the_trace_is_off_and_memory_is_unset_unless_asked_for(deployed):
    variables = environment(deployed()["Resources"])
    assert (variables["ALLOW_TRACE"], variables["MEMORY_ID"]) == ("false", "")


def test_the_function_may_run_for_fifteen_minutes_and_logs_json(deployed):
    function = of_type(deployed()["Resources"], "AWS::Lambda::Function")[FUNCTION]
    assert function["Timeout"] == 900
    assert function["Runtime"] == "provided.al2023"
    assert function["Architectures"] == ["x86_64"]
    assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "relay-logs"}


def test_the_binary_that_sam_builds_is_one_of_the_package(translated):
    build = translated["Resources"][FUNCTION]["Metadata"]
    assert build["BuildMethod"] == "rust-cargolambda"
    manifest = (TEMPLATE.parent / "Cargo.toml").read_text()
    binaries = re.findall(r'^\[\[bin\]\]\nname = "(.+)"', manifest, re.MULTILINE)
    assert build["BuildProperties"]["Binary"] in binaries


def test_the_outputs_lead_to_the_stage(deployed):
    outputs = deployed()["Outputs"]
    url = "wss://abcdef1234.execute-api.eu-central-1.amazonaws.com/live"
    assert outputs["WebSocketUrl"]["Value"] == url
    assert outputs["TryIt"]["Value"] == (
        f"""npx wscat -c {url} -w -1 -x '{{"prompt":"hello"}}'"""
    )


def test_every_parameter_is_used_by_a_resource(translated):
    used = references(translated["Resources"]) | references(translated["Conditions"])
    assert set(translated["Parameters"]) <= used
    assert set(translated["Conditions"]) <= used


@pytest.mark.parametrize(
    ("parameter", "value", "accepted"),
    [
        ("AgentId", "ABCDE12345", True),
        ("AgentId", "", False),
        ("AgentId", "ABCDE123456", False),
        ("AgentId", "ABCDE-1234", False),
        ("AgentAliasId", "TSTALIASID", True),
        ("AgentAliasId", "TSTALIASID/*", False),
        ("AgentAliasArn", "", True),
        ("AgentAliasArn", "arn:aws:bedrock:us-east-1:123456789012:agent-alias/ABC/DEF", True),
        ("AgentAliasArn", "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:agent-alias/A/B", True),
        ("AgentAliasArn", "arn:aws:bedrock:us-east-1:123456789012:agent-alias/ABC/*", False),
        ("AgentAliasArn", "*", False),
        ("MemoryId", "", True),
        ("MemoryId", "user:7_a.b-c", True),
        ("MemoryId", "x", False),
        ("MemoryId", "x" * 101, False),
        ("MemoryId", "with space", False),
        ("AllowTrace", "true", True),
        ("AllowTrace", "yes", False),
    ],
)
def test_parameters_refuse_what_bedrock_would_refuse(translated, parameter, value, accepted):
    declared = translated["Parameters"][parameter]
    ok = (
        # CloudFormation matches the pattern against the whole value.
        re.fullmatch(declared.get("AllowedPattern", ".*"), value) is not None
        and declared.get("MinLength", 0) <= len(value) <= declared.get("MaxLength", 4096)
        and value in declared.get("AllowedValues", [value])
    )
    assert ok == accepted


# Helpers.


def translate(monkeypatch, where):
    """Translates the template as the SAM transform does on deployment."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", where["AWS::Region"])
    template = yaml_parse(TEMPLATE.read_text())
    # `sam package` puts the uploaded archive's address here.
    template["Resources"][FUNCTION]["Properties"]["CodeUri"] = "s3://bucket/key"
    # Managed policies are named in full, so nothing is looked up.
    return transform(template, {}, managed_policy_loader=None)


def of_type(resources, type_):
    """The properties of all resources of a CloudFormation type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == type_
    }


def environment(resources):
    """The function's environment variables."""
    return of_type(resources, "AWS::Lambda::Function")[FUNCTION]["Environment"]["Variables"]


def rights(role):
    """The role's own rights as (action, resource) pairs; anything but plain Allows fails."""
    pairs = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert set(statement) <= {"Sid", "Effect", "Action", "Resource"}
            assert statement["Effect"] == "Allow"
            pairs.add((statement["Action"], statement["Resource"]))
    return pairs


def resolve(node, values, conditions):
    """Evaluates the intrinsic functions that the template uses; an unknown one fails."""

    def walk(node):
        match node:
            case {"Ref": name} if len(node) == 1:
                return values.get(name, name)
            case {"Fn::GetAtt": [resource, attribute]}:
                return values.get(f"{resource}.{attribute}", f"{resource}.{attribute}")
            case {"Fn::Sub": [text, local]}:
                return substitute(text, values | walk(local))
            case {"Fn::Sub": str(text)}:
                return substitute(text, values)
            case {"Fn::Join": [separator, parts]}:
                return separator.join(walk(parts))
            case {"Fn::If": [condition, yes, no]}:
                return walk(yes if walk(conditions[condition]) else no)
            case {"Fn::Equals": [left, right]}:
                return walk(left) == walk(right)
            case {"Fn::Not": [inner]}:
                return not walk(inner)
            case dict():
                unknown = [key for key in node if key.startswith("Fn::")]
                assert not unknown, f"the test does not know {unknown}"
                return {key: walk(value) for key, value in node.items()}
            case list():
                return [walk(value) for value in node]
            case _:
                return node

    return walk(node)


def substitute(text, values):
    """`Fn::Sub`; a name without a value fails."""
    return re.sub(r"\$\{([^}]+)\}", lambda name: values[name[1]], text)


def references(node):
    """Every name that `Ref`, `Fn::Sub`, `Fn::If` or `Condition` mentions."""
    match node:
        case {"Ref": name}:
            return {name}
        case {"Fn::If": [condition, *branches]}:
            return {condition} | references(branches)
        case dict():
            return set().union(*(references(value) for value in node.values()))
        case list():
            return set().union(*(references(value) for value in node))
        case str(text):
            return set(re.findall(r"\$\{([^}.]+)", text))
        case _:
            return set()
