"""The deployment template, as CloudFormation will see it after SAM has translated it: the three APIs,
the function, its rights, and what the stack says of itself.

The translated template is resolved for concrete deployments, so that every assertion below
compares whole ARNs and URLs, not intrinsic functions. Runs offline, in the SAM CLI's virtual
environment (``requirements-sam.txt``).
"""

import base64
import re
import subprocess
from itertools import product

import pytest
from deployment import (
    AGENT,
    AGUI,
    API,
    CHINA,
    FUNCTION,
    FUNCTION_ARN,
    HARNESS,
    RUNTIME,
    TEMPLATE,
    deploy,
    environment,
    of_type,
    references,
    translate,
)

INVOCATION = (
    f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{FUNCTION_ARN}/invocations"
)
STREAMING_INVOCATION = (
    "arn:aws:apigateway:eu-central-1:lambda:path/2021-11-15"
    f"/functions/{FUNCTION_ARN}/response-streaming-invocations"
)
AGUI_URL = "https://agui246801.execute-api.eu-central-1.amazonaws.com/live/agui"
PAGE = "https://page567890.execute-api.eu-central-1.amazonaws.com"
SOCKET = "wss://abcdef1234.execute-api.eu-central-1.amazonaws.com/live"
ALIAS = "arn:aws:bedrock:eu-central-1:123456789012:agent-alias/AGENT12345/ALIAS12345"
HARNESS_ARN = HARNESS["HarnessArn"]
ENDPOINT_ARN = f"{HARNESS_ARN}/harness-endpoint/prod"
RUNTIME_ARN = RUNTIME["RuntimeArn"]
# What AWS checks when a call names no endpoint.
DEFAULT_ENDPOINT_ARN = f"{RUNTIME_ARN}/runtime-endpoint/DEFAULT"
RUNTIME_ENDPOINT_ARN = f"{RUNTIME_ARN}/runtime-endpoint/prod"
CONNECTIONS = "arn:aws:execute-api:eu-central-1:123456789012:abcdef1234/live/POST/@connections/*"
TABLE = "arn-of-the-runs-table"
LOGS = "arn:aws:logs:eu-central-1:123456789012:log-group:relay-logs:*"
# Whoever answers, the function posts to the stage and writes its log.
COMMON_RIGHTS = {
    ("execute-api:ManageConnections", CONNECTIONS),
    ("logs:CreateLogStream", LOGS),
    ("logs:PutLogEvents", LOGS),
}
# Where answers are kept, it reads and writes them in the one table.
TABLE_RIGHTS = {
    ("dynamodb:GetItem", TABLE),
    ("dynamodb:PutItem", TABLE),
    ("dynamodb:Query", TABLE),
    ("dynamodb:UpdateItem", TABLE),
}
# Every way to say who answers, with the rights for that.
SOURCES = {
    "agent": (AGENT, {("bedrock:InvokeAgent", ALIAS)}),
    "harness": (
        HARNESS,
        {
            ("bedrock-agentcore:InvokeHarness", HARNESS_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", HARNESS_ARN),
        },
    ),
    "harness-with-endpoint": (
        HARNESS | {"HarnessEndpoint": "prod"},
        {
            ("bedrock-agentcore:InvokeHarness", HARNESS_ARN),
            ("bedrock-agentcore:InvokeHarness", ENDPOINT_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", HARNESS_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", ENDPOINT_ARN),
        },
    ),
    "harness-that-is-stopped": (
        HARNESS | {"StopOnLeave": "true"},
        {
            ("bedrock-agentcore:InvokeHarness", HARNESS_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", HARNESS_ARN),
            ("bedrock-agentcore:StopRuntimeSession", HARNESS_ARN),
        },
    ),
    "harness-with-endpoint-that-is-stopped": (
        HARNESS | {"HarnessEndpoint": "prod", "StopOnLeave": "true"},
        {
            ("bedrock-agentcore:InvokeHarness", HARNESS_ARN),
            ("bedrock-agentcore:InvokeHarness", ENDPOINT_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", HARNESS_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", ENDPOINT_ARN),
            ("bedrock-agentcore:StopRuntimeSession", HARNESS_ARN),
            ("bedrock-agentcore:StopRuntimeSession", ENDPOINT_ARN),
        },
    ),
    "runtime": (
        RUNTIME,
        {
            ("bedrock-agentcore:InvokeAgentRuntime", RUNTIME_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", DEFAULT_ENDPOINT_ARN),
        },
    ),
    "runtime-with-endpoint": (
        RUNTIME | {"RuntimeEndpoint": "prod"},
        {
            ("bedrock-agentcore:InvokeAgentRuntime", RUNTIME_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", RUNTIME_ENDPOINT_ARN),
        },
    ),
    "runtime-that-is-stopped": (
        RUNTIME | {"StopOnLeave": "true"},
        {
            ("bedrock-agentcore:InvokeAgentRuntime", RUNTIME_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", DEFAULT_ENDPOINT_ARN),
            ("bedrock-agentcore:StopRuntimeSession", RUNTIME_ARN),
            ("bedrock-agentcore:StopRuntimeSession", DEFAULT_ENDPOINT_ARN),
        },
    ),
    "runtime-with-endpoint-that-is-stopped": (
        RUNTIME | {"RuntimeEndpoint": "prod", "StopOnLeave": "true"},
        {
            ("bedrock-agentcore:InvokeAgentRuntime", RUNTIME_ARN),
            ("bedrock-agentcore:InvokeAgentRuntime", RUNTIME_ENDPOINT_ARN),
            ("bedrock-agentcore:StopRuntimeSession", RUNTIME_ARN),
            ("bedrock-agentcore:StopRuntimeSession", RUNTIME_ENDPOINT_ARN),
        },
    ),
}
EACH_SOURCE = pytest.mark.parametrize(("source", "invocation"), SOURCES.values(), ids=SOURCES)
OIDC = {"Access": "oidc", "OidcIssuer": "https://id.example.com", "OidcAudience": "chat"}


# The clients' side.


def test_the_three_routes_all_go_to_the_one_function():
    resources = deploy()["Resources"]
    assert list(of_type(resources, "AWS::Lambda::Function")) == [FUNCTION]
    integrations = of_type(resources, "AWS::ApiGatewayV2::Integration")
    targets = {
        route["RouteKey"]: integrations[route["Target"].removeprefix("integrations/")]
        for route in of_type(resources, "AWS::ApiGatewayV2::Route").values()
        if route["ApiId"] == "abcdef1234"
    }
    assert set(targets) == {"$connect", "$disconnect", "$default"}
    assert len({id(integration) for integration in targets.values()}) == 3
    for route_key, integration in targets.items():
        assert integration == {
            "ApiId": "abcdef1234",
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": INVOCATION,
        }, route_key


@pytest.mark.parametrize("access", [{}, OIDC, {"Access": "open"}], ids=["code", "oidc", "open"])
def test_the_function_authorizes_every_connection(access):
    resources = deploy(**access)["Resources"]
    ((name, authorizer),) = of_type(resources, "AWS::ApiGatewayV2::Authorizer").items()
    # No identity source: API Gateway would refuse by itself what lacks it, and remember answers.
    assert authorizer == {
        "ApiId": "abcdef1234",
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": INVOCATION,
        "Name": "WebSocketApiConnectAuthorizer",
    }
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        if route["RouteKey"] == "$connect":
            assert (route["AuthorizationType"], route["AuthorizerId"]) == ("CUSTOM", name)
        else:
            # There is no other place for one: API Gateway authorizes on $connect only.
            assert "AuthorizerId" not in route


def test_the_websocket_api_has_one_stage_that_deploys_itself():
    resources = deploy(ThrottleRate=7, ThrottleBurst=9)["Resources"]
    api = of_type(resources, "AWS::ApiGatewayV2::Api")[API]
    assert (api["ProtocolType"], api["Name"]) == ("WEBSOCKET", "relay")
    (stage,) = stages(resources, "abcdef1234")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("live", True)
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": "7",
        "ThrottlingBurstLimit": "9",
    }


# The clients' other side: over HTTP.


def test_answers_over_http_are_streamed_by_a_regional_rest_api():
    resources = deploy()["Resources"]
    ((name, api),) = of_type(resources, "AWS::ApiGateway::RestApi").items()
    assert (name, api["Name"]) == (AGUI, "relay-agui")
    # Anywhere else a response may be silent for 30 seconds only.
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert api["Parameters"] == {"endpointConfigurationTypes": "REGIONAL"}
    # A list of them would make every request's body base64, and so a third longer.
    assert "BinaryMediaTypes" not in api
    assert "x-amazon-apigateway-binary-media-types" not in api["Body"]
    ((path, methods),) = api["Body"]["paths"].items()
    assert path == "/agui"
    # Every method, since it is the function that says what is wrong with one, and nobody but the function
    # who looks at a credential.
    assert methods == {
        "x-amazon-apigateway-any-method": {
            "responses": {},
            "x-amazon-apigateway-integration": {
                "type": "aws_proxy",
                "httpMethod": "POST",
                "uri": STREAMING_INVOCATION,
                "responseTransferMode": "STREAM",
                "timeoutInMillis": 900_000,
            },
        }
    }
    assert not {"security", "components"} & set(api["Body"])


def test_a_streamed_response_may_take_as_long_as_the_function():
    resources = deploy()["Resources"]
    ((method,),) = map(
        dict.values, of_type(resources, "AWS::ApiGateway::RestApi")[AGUI]["Body"]["paths"].values()
    )
    timeout = method["x-amazon-apigateway-integration"]["timeoutInMillis"]
    assert timeout == 1000 * of_type(resources, "AWS::Lambda::Function")[FUNCTION]["Timeout"]


def test_the_page_is_on_no_api_that_can_be_left_out():
    for http in ("true", "false"):
        deployed = deploy(HttpApi=http)
        assert deployed["Outputs"]["PageUrl"]["Value"] == f"{PAGE}/"
        assert environment(deployed["Resources"])["ALLOWED_ORIGINS"] == PAGE


def test_every_page_may_read_what_the_gateway_itself_says():
    api = of_type(deploy()["Resources"], "AWS::ApiGateway::RestApi")[AGUI]
    everyone = {"responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}}
    # No status and no text of its own: both say what happened.
    assert api["Body"]["x-amazon-apigateway-gateway-responses"] == {
        "DEFAULT_4XX": everyone,
        "DEFAULT_5XX": everyone,
    }


def test_the_rest_api_has_one_stage_with_the_newest_deployment_and_the_throttle():
    resources = deploy(ThrottleRate=7, ThrottleBurst=9)["Resources"]
    ((deployment, properties),) = of_type(resources, "AWS::ApiGateway::Deployment").items()
    assert properties["RestApiId"] == "agui246801"
    # A stage that the deployment makes by itself would have no throttle.
    assert "StageName" not in properties
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert stage == {
        "RestApiId": "agui246801",
        "DeploymentId": deployment,
        "StageName": "live",
        "MethodSettings": [
            {
                "ResourcePath": "/*",
                "HttpMethod": "*",
                "ThrottlingRateLimit": "7",
                "ThrottlingBurstLimit": "9",
            }
        ],
    }


def test_a_deployment_without_http_has_nothing_of_it():
    deployed = deploy(HttpApi="false")
    types = {resource["Type"] for resource in deployed["Resources"].values()}
    assert not {type_ for type_ in types if type_.startswith("AWS::ApiGateway::")}
    left_out = set(deploy()["Resources"]) - set(deployed["Resources"])
    assert all(name.startswith(AGUI) or name == "AguiPermission" for name in left_out)
    assert len(left_out) == 4
    assert set(deploy()["Outputs"]) - set(deployed["Outputs"]) == {"AguiUrl", "TryItOverHttp"}
    # What is left refers to nothing that is gone.
    assert "agui246801" not in str(deployed)


# The page's side.


def test_the_page_is_read_through_an_http_api_from_the_same_function():
    resources = deploy()["Resources"]
    assert of_type(resources, "AWS::ApiGatewayV2::Api")["PageApi"] == {
        "Name": "relay-page",
        "Description": "Agent Relay, the page",
        "ProtocolType": "HTTP",
    }
    routes = [
        route
        for route in of_type(resources, "AWS::ApiGatewayV2::Route").values()
        if route["ApiId"] == "page567890"
    ]
    # Nobody can make the function work by anything but reading.
    assert sorted(route["RouteKey"] for route in routes) == [
        "GET /",
        "GET /{file+}",
        "HEAD /",
        "HEAD /{file+}",
    ]
    assert {route["Target"] for route in routes} == {"integrations/PageIntegration"}
    assert of_type(resources, "AWS::ApiGatewayV2::Integration")["PageIntegration"] == {
        "ApiId": "page567890",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": FUNCTION_ARN,
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 10000,
    }
    (stage,) = stages(resources, "page567890")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": "50",
        "ThrottlingBurstLimit": "100",
    }


# The function.


@pytest.mark.parametrize("http", ["true", "false"])
def test_only_the_apis_may_invoke_the_function(http):
    permissions = of_type(deploy(HttpApi=http)["Resources"], "AWS::Lambda::Permission").values()
    for permission in permissions:
        assert set(permission) == {"Action", "FunctionName", "Principal", "SourceArn"}
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert permission["FunctionName"] == FUNCTION_ARN
    execute = "arn:aws:execute-api:eu-central-1:123456789012:"
    assert sorted(permission["SourceArn"] for permission in permissions) == [
        f"{execute}abcdef1234/authorizers/*",
        f"{execute}abcdef1234/live/$connect",
        f"{execute}abcdef1234/live/$default",
        f"{execute}abcdef1234/live/$disconnect",
        *([f"{execute}agui246801/live/*/agui"] if http == "true" else []),
        f"{execute}page567890/$default/GET/*",
        f"{execute}page567890/$default/HEAD/*",
    ]


@pytest.mark.parametrize(
    ("hours", "table_rights"), [(24, TABLE_RIGHTS), (0, set())], ids=["with-table", "without-table"]
)
@EACH_SOURCE
def test_the_function_may_invoke_who_answers_post_to_the_stage_keep_and_log_and_nothing_else(
    source, invocation, hours, table_rights
):
    resources = deploy(ResumeHours=hours, **source)["Resources"]
    ((name, role),) = of_type(resources, "AWS::IAM::Role").items()
    assert of_type(resources, "AWS::Lambda::Function")[FUNCTION]["Role"] == "arn-of-the-role", name
    assert "ManagedPolicyArns" not in role
    assert rights(role) == COMMON_RIGHTS | table_rights | invocation
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]


@EACH_SOURCE
def test_a_wildcard_stands_only_for_a_connection_or_a_stream_of_the_own_log(source, invocation):
    (role,) = of_type(deploy(**source)["Resources"], "AWS::IAM::Role").values()
    for action, resource in rights(role):
        assert "*" not in action
        if "*" in resource:
            assert resource.count("*") == 1
            assert resource.endswith((":abcdef1234/live/POST/@connections/*", ":relay-logs:*"))


def test_rights_and_addresses_follow_the_partition():
    resources = deploy(where=CHINA)["Resources"]
    (role,) = of_type(resources, "AWS::IAM::Role").values()
    assert {resource for _, resource in rights(role)} == {
        "arn:aws-cn:bedrock:cn-north-1:123456789012:agent-alias/AGENT12345/ALIAS12345",
        "arn:aws-cn:execute-api:cn-north-1:123456789012:abcdef1234/live/POST/@connections/*",
        TABLE,
        LOGS,
    }
    variables = environment(resources)
    assert variables["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == (
        "https://abcdef1234.execute-api.cn-north-1.amazonaws.com.cn/live"
    )
    assert variables["ALLOWED_ORIGINS"] == (
        "https://page567890.execute-api.cn-north-1.amazonaws.com.cn"
    )
    body = str(of_type(resources, "AWS::ApiGateway::RestApi")[AGUI]["Body"])
    assert "'arn:aws-cn:apigateway:cn-north-1:lambda:path/2021-11-15/functions/" in body
    assert deploy(where=CHINA)["Outputs"]["AguiUrl"]["Value"] == (
        "https://agui246801.execute-api.cn-north-1.amazonaws.com.cn/live/agui"
    )


def test_an_alias_that_lives_elsewhere_replaces_the_default_arn():
    elsewhere = "arn:aws:bedrock:us-east-1:999999999999:agent-alias/AGENT12345/ALIAS12345"
    (role,) = of_type(deploy(AgentAliasArn=elsewhere)["Resources"], "AWS::IAM::Role").values()
    assert ("bedrock:InvokeAgent", elsewhere) in rights(role)
    assert ("bedrock:InvokeAgent", ALIAS) not in rights(role)


@pytest.mark.parametrize(
    ("parameter", "kind", "endpoints"),
    [("HarnessArn", "harness", []), ("RuntimeArn", "runtime", ["/runtime-endpoint/DEFAULT"])],
    ids=["harness", "runtime"],
)
def test_agentcore_has_the_rights_of_its_own_arn_whatever_the_stack_s_partition(
    parameter, kind, endpoints
):
    arn = f"arn:aws-us-gov:bedrock-agentcore:us-gov-west-1:999999999999:{kind}/a-0123456789"
    (role,) = of_type(deploy(**{parameter: arn})["Resources"], "AWS::IAM::Role").values()
    assert {resource for action, resource in rights(role) if "agentcore" in action} == {
        arn,
        *(arn + endpoint for endpoint in endpoints),
    }


@EACH_SOURCE
def test_the_function_knows_one_source_only(source, invocation):
    variables = environment(deploy(**source)["Resources"])
    of_sources = {
        "HARNESS_ARN": source.get("HarnessArn", ""),
        "HARNESS_ENDPOINT": source.get("HarnessEndpoint", ""),
        "RUNTIME_ARN": source.get("RuntimeArn", ""),
        "RUNTIME_ENDPOINT": source.get("RuntimeEndpoint", ""),
        "STOP_ON_LEAVE": source.get("StopOnLeave", "false"),
        "AGENT_ID": source.get("AgentId", ""),
        "AGENT_ALIAS_ID": source.get("AgentAliasId", ""),
        "FILE_USE": "chat" if "AgentId" in source else "",
    }
    assert {name: variables[name] for name in of_sources} == of_sources


def test_the_function_gets_its_whole_configuration():
    variables = environment(
        deploy(
            MemoryId="user-7",
            AllowTrace="true",
            AllowedOrigins="https://a.example.com,https://b.example.com",
            SuggestedPrompts="What can you do?|Tell me a story",
            PageSettings='{"title": "Help desk"}',
            FileUse="code_interpreter",
            CustomWebSocketUrl="wss://relay.example.com",
            ResumeHours=72,
            AloneSeconds=60,
            OidcTokenUse="access",
            **OIDC,
        )["Resources"]
    )
    assert variables == {
        "HARNESS_ARN": "",
        "HARNESS_ENDPOINT": "",
        "RUNTIME_ARN": "",
        "RUNTIME_ENDPOINT": "",
        "STOP_ON_LEAVE": "false",
        "AGENT_ID": "AGENT12345",
        "AGENT_ALIAS_ID": "ALIAS12345",
        "MEMORY_ID": "user-7",
        "ALLOW_TRACE": "true",
        "ACCESS": "oidc",
        "ACCESS_CODE": "",
        "OIDC_ISSUER": "https://id.example.com",
        "OIDC_AUDIENCE": "chat",
        "OIDC_TOKEN_USE": "access",
        "ALLOWED_ORIGINS": f"{PAGE},https://a.example.com,https://b.example.com",
        "SUGGESTED_PROMPTS": "What can you do?|Tell me a story",
        "PAGE_SETTINGS": '{"title": "Help desk"}',
        "FILE_USE": "code_interpreter",
        "WEBSOCKET_URL": "wss://relay.example.com",
        "RUNS_TABLE": "runs-table",
        "RESUME_HOURS": "72",
        "ALONE_SECONDS": "60",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": (
            "https://abcdef1234.execute-api.eu-central-1.amazonaws.com/live"
        ),
    }


def test_by_default_a_code_is_asked_for_and_only_the_own_page_may_connect():
    variables = environment(deploy()["Resources"])
    assert (variables["ACCESS"], variables["ACCESS_CODE"]) == ("code", "correct horse")
    assert variables["ALLOWED_ORIGINS"] == PAGE
    assert (variables["ALLOW_TRACE"], variables["MEMORY_ID"]) == ("false", "")


def test_a_code_that_nobody_is_asked_for_is_not_kept():
    assert environment(deploy(Access="open")["Resources"])["ACCESS_CODE"] == ""


def test_by_default_answers_are_kept_for_a_day_and_agents_work_on_alone_to_their_end():
    resources = deploy()["Resources"]
    variables = environment(resources)
    assert (variables["RUNS_TABLE"], variables["RESUME_HOURS"]) == ("runs-table", "24")
    longest = of_type(resources, "AWS::Lambda::Function")[FUNCTION]["Timeout"]
    assert variables["ALONE_SECONDS"] == str(longest)


def test_the_longest_configuration_fits_into_an_environment(template):
    # Only one agent can be named, and a harness has the longest name. The alias' ARN is for a policy.
    others = ["RuntimeArn", "RuntimeEndpoint", "AgentId", "AgentAliasId", "AgentAliasArn"]
    declared = [of for name, of in template["Parameters"].items() if name not in others]
    # A pattern bounds what has no length; Lambda takes 4 KB of names and values.
    longest = sum(
        of.get("MaxLength")
        or sum(int(most) for most in re.findall(r",(\d+)}", of.get("AllowedPattern", "")))
        for of in declared
    )
    names = sum(map(len, environment(deploy()["Resources"])))
    addresses = 300
    assert longest + names + addresses < 4096


def test_the_function_may_run_for_fifteen_minutes_and_logs_json():
    function = of_type(deploy()["Resources"], "AWS::Lambda::Function")[FUNCTION]
    assert function["Timeout"] == 900
    assert function["Runtime"] == "provided.al2023"
    assert function["Architectures"] == ["x86_64"]
    assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "relay-logs"}


@pytest.mark.parametrize(("most", "reserved"), [(10, "10"), (0, None)])
def test_concurrency_is_reserved_unless_it_is_zero(most, reserved):
    resources = deploy(MaxConcurrency=most)["Resources"]
    function = of_type(resources, "AWS::Lambda::Function")[FUNCTION]
    assert function.get("ReservedConcurrentExecutions") == reserved


def test_the_binary_that_sam_builds_is_one_of_the_package(template):
    build = template["Resources"][FUNCTION]["Metadata"]
    assert build["BuildMethod"] == "rust-cargolambda"
    manifest = (TEMPLATE.parent / "Cargo.toml").read_text()
    binaries = re.findall(r'^\[\[bin\]\]\nname = "(.+)"', manifest, re.MULTILINE)
    assert build["BuildProperties"]["Binary"] in binaries


# The table.


def test_the_table_is_as_the_function_reads_it():
    """Its keys and the attribute that items expire by are those of `src/runs/attributes.rs`."""
    ((name, table),) = of_type(deploy()["Resources"], "AWS::DynamoDB::Table").items()
    assert name == "RunsTable"
    source = (TEMPLATE.parent / "src" / "runs" / "attributes.rs").read_text()
    names = dict(re.findall(r'^pub const (\w+): &str = "(\w+)";', source, re.MULTILINE))
    assert table["KeySchema"] == [
        {"AttributeName": names["CONVERSATION"], "KeyType": "HASH"},
        {"AttributeName": names["RUN"], "KeyType": "RANGE"},
    ]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": names["CONVERSATION"], "AttributeType": "S"},
        {"AttributeName": names["RUN"], "AttributeType": "S"},
    ]
    assert table["TimeToLiveSpecification"] == {
        "AttributeName": names["EXPIRES"],
        "Enabled": True,
    }


def test_the_table_is_paid_by_request_up_to_a_limit():
    (table,) = of_type(deploy()["Resources"], "AWS::DynamoDB::Table").values()
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["OnDemandThroughput"] == {
        "MaxReadRequestUnits": 1000,
        "MaxWriteRequestUnits": 1000,
    }


def test_nothing_of_an_answer_is_anywhere_but_in_the_table():
    (table,) = of_type(deploy()["Resources"], "AWS::DynamoDB::Table").values()
    # No index, stream, backup or replica; and no name, by which a second stack would collide.
    assert set(table) == {
        "AttributeDefinitions",
        "BillingMode",
        "KeySchema",
        "OnDemandThroughput",
        "TimeToLiveSpecification",
    }


def test_a_deployment_that_keeps_nothing_has_nothing_of_the_table():
    kept, deployed = deploy(), deploy(ResumeHours=0)
    assert set(kept["Resources"]) - set(deployed["Resources"]) == {"RunsTable", "RunsAlarm"}
    assert set(kept["Outputs"]) - set(deployed["Outputs"]) == {"RunsTableName"}
    assert kept["Outputs"]["RunsTableName"]["Value"] == "runs-table"
    variables = environment(deployed["Resources"])
    # Empty counts as unset; with a name, hours of 0 would end the function's start.
    assert (variables["RUNS_TABLE"], variables["RESUME_HOURS"]) == ("", "0")
    # What is left refers to nothing that is gone.
    for name in ("runs-table", "RunsTable", "RunsAlarm", "dynamodb"):
        assert name not in str(deployed), name


# The stack.


def test_the_stack_has_no_store_but_the_table():
    assert {
        resource["Type"] for resource in deploy(AlarmEmail="a@b.org")["Resources"].values()
    } == {
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::Logs::QueryDefinition",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
    }


def test_nothing_outlives_the_stack(template):
    for name, resource in template["Resources"].items():
        assert resource.get("DeletionPolicy", "Delete") == "Delete", name
        assert resource.get("UpdateReplacePolicy", "Delete") == "Delete", name


def test_no_resource_waits_for_itself(template):
    resources = template["Resources"]
    waits_for = {
        name: (references(resource) | set(resource.get("DependsOn", []))) & set(resources)
        for name, resource in resources.items()
    }
    while ready := [name for name, others in waits_for.items() if not others & set(waits_for)]:
        for name in ready:
            del waits_for[name]
    assert not waits_for, "these wait for each other"


def test_the_outputs_lead_to_page_and_stage():
    outputs = deploy()["Outputs"]
    assert outputs["PageUrl"]["Value"] == f"{PAGE}/"
    assert outputs["WebSocketUrl"]["Value"] == SOCKET
    assert outputs["AguiUrl"]["Value"] == AGUI_URL
    assert outputs["LogGroup"]["Value"] == "relay-logs"
    for name, output in outputs.items():
        assert output["Description"], name
        assert "correct horse" not in output["Value"], name


def test_only_an_open_deployment_warns():
    assert "Warning" not in deploy()["Outputs"]
    assert "Warning" not in deploy(**OIDC)["Outputs"]
    assert "EVERYONE" in deploy(Access="open")["Outputs"]["Warning"]["Value"]


def test_the_wscat_line_of_an_open_deployment_needs_nothing():
    assert deploy(Access="open")["Outputs"]["TryIt"]["Value"] == (
        f"""npx wscat -c {SOCKET} -w -1 -x '{{"prompt":"hello"}}'"""
    )


@pytest.mark.parametrize(
    ("access", "place", "secret"),
    [
        ({}, "YOUR ACCESS CODE", "correct horse > battery ~ staple?"),
        ({}, "YOUR ACCESS CODE", "x" * 128),
        (OIDC, "YOUR TOKEN", f"{'h' * 40}.{'p' * 700}.{'s' * 342}"),
    ],
    ids=["code", "long code", "token"],
)
def test_the_wscat_line_sends_the_credential_as_a_subprotocol(access, place, secret):
    line = deploy(**access)["Outputs"]["TryIt"]["Value"]
    assert line.count(place) == 1
    # The shell is the judge of its quotes and of what becomes of the credential.
    arguments = subprocess.run(
        ["bash", "-c", line.replace("npx wscat", r"printf '%s\n'").replace(place, secret)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    token = base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    assert arguments == [
        *("-c", SOCKET),
        *("-s", "agent-relay", "-s", f"token.{token}"),
        *("-w", "-1", "-x", '{"prompt":"hello"}'),
    ]


@pytest.mark.parametrize(
    ("access", "place", "secret"),
    [
        ({}, "YOUR ACCESS CODE", "correct horse > battery ~ staple?"),
        (OIDC, "YOUR TOKEN", f"{'h' * 40}.{'p' * 700}.{'s' * 342}"),
        ({"Access": "open"}, None, None),
    ],
    ids=["code", "token", "open"],
)
def test_the_curl_line_streams_and_sends_the_credential_in_its_header(access, place, secret):
    line = deploy(**access)["Outputs"]["TryItOverHttp"]["Value"]
    if place:
        assert line.count(place) == 1
        line = line.replace(place, secret)
    arguments = subprocess.run(
        ["bash", "-c", line.replace("curl", r"printf '%s\n'", 1)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert arguments == [
        *("-N", AGUI_URL),
        *(["-H", f"Authorization: Bearer {secret}"] if secret else []),
        *("-H", "Content-Type: application/json", "-d", '{"prompt":"hello"}'),
    ]


# Helpers.


@pytest.fixture
def template():
    """The whole translated template, with its intrinsic functions."""
    return translate()


def stages(resources, api):
    return [
        stage
        for stage in of_type(resources, "AWS::ApiGatewayV2::Stage").values()
        if stage["ApiId"] == api
    ]


def rights(role):
    """The role's rights as (action, resource) pairs; anything but plain Allows fails."""
    pairs = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert set(statement) <= {"Sid", "Effect", "Action", "Resource"}
            assert statement["Effect"] == "Allow"
            pairs |= set(product(listed(statement["Action"]), listed(statement["Resource"])))
    return pairs


def listed(value):
    """What a policy takes for a list of strings."""
    return [value] if isinstance(value, str) else value
