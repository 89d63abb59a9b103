"""What an operator gets from the template: logs without content, alarms and a dashboard."""

import json
import re

import pytest
from deployment import REPOSITORY, deploy, of_type

REPORT = (REPOSITORY / "src" / "telemetry.rs").read_text()
FUNCTION = ("FunctionName", "relay-function")

# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
LAMBDA_METRICS = {"ConcurrentExecutions", "Throttles", "Errors"}
# .../apigateway/latest/developerguide/apigateway-websocket-api-logging.html, http-api-metrics.html,
# api-gateway-metrics-and-dimensions.html
WEBSOCKET_METRICS = {"ConnectCount", "MessageCount", "ClientError", "IntegrationError"}
HTTP_METRICS = {"Count", "4xx", "5xx"}
REST_METRICS = {"Count", "4XXError", "5XXError"}

# What says who, when and with which result; not what was said, nor with which credential.
HARMLESS = {
    "requestTime",
    "requestId",
    # Of a REST API also this, since clients may choose the other.
    "extendedRequestId",
    "connectionId",
    "identity.sourceIp",
    "eventType",
    "routeKey",
    "status",
    "authorizer.status",
    "integrationStatus",
    "httpMethod",
    # Not `path`, which is what the client wrote.
    "resourcePath",
    "responseLength",
    "responseLatency",
    "integration.timeToFirstContent",
    # By these the line is found beside those of the function and in X-Ray.
    "integration.requestId",
    "xrayTraceId",
}


def test_every_log_is_deleted_after_a_while():
    groups = of_type(deploy(LogRetentionDays=7)["Resources"], "AWS::Logs::LogGroup")
    assert set(groups) == {"RelayLogs", "AccessLogs"}
    assert [group["RetentionInDays"] for group in groups.values()] == ["7", "7"]


def test_access_is_logged_without_content():
    stages = stages_with_logs(WebSocketAccessLog="true")
    assert set(stages) == {"WebSocketApiliveStage", "AguiApiliveStage", "PageStage"}
    for name, (stage, log) in stages.items():
        assert log["DestinationArn"] == (
            "arn:aws:logs:eu-central-1:123456789012:log-group:access-logs"
        ), name
        assert json.loads(log["Format"]), "one JSON object on one line"
        assert "\n" not in log["Format"]
        variables = re.findall(r"\$(\w+)\.([\w.]+)", log["Format"])
        assert {kind for kind, _ in variables} == {"context"}, name
        assert {variable for _, variable in variables} <= HARMLESS, name
        assert {"requestId", "identity.sourceIp", "status"} <= {
            variable for _, variable in variables
        }
        # No message goes to API Gateway's execution log either.
        settings = (
            [stage["DefaultRouteSettings"]]
            if "MethodSettings" not in stage
            else [
                {
                    name: value
                    for name, value in of.items()
                    if name not in ("ResourcePath", "HttpMethod")
                }
                for of in stage["MethodSettings"]
            ]
        )
        for of in settings:
            assert set(of) == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}, name


def test_the_log_that_needs_a_setting_of_the_account_is_off_by_default():
    logs = {name: log for name, (_, log) in stages_with_logs().items()}
    assert [name for name, log in logs.items() if log] == ["PageStage"]
    assert len(logs) == 3


def test_the_stack_leaves_the_settings_of_the_account_alone():
    types = {
        resource["Type"] for resource in deploy(WebSocketAccessLog="true")["Resources"].values()
    }
    assert "AWS::ApiGateway::Account" not in types


def test_alarms_watch_errors_throttles_slow_first_chunks_and_answers_that_are_not_kept():
    alarms = of_type(deploy()["Resources"], "AWS::CloudWatch::Alarm")
    watched = {name: set(map(metric, metrics(alarm))) for name, alarm in alarms.items()}
    assert watched == {
        "ErrorsAlarm": {
            ("AgentRelay", "Errors", (FUNCTION,)),
            ("AWS/Lambda", "Errors", (FUNCTION,)),
        },
        "ThrottlesAlarm": {
            ("AgentRelay", "Errors", (FUNCTION, ("Code", "throttling"))),
            ("AWS/Lambda", "Throttles", (FUNCTION,)),
        },
        "RetriedPostsAlarm": {("AgentRelay", "RetriedPosts", (FUNCTION,))},
        "SlowFirstChunkAlarm": {("AgentRelay", "FirstChunk", (FUNCTION,))},
        "RunsAlarm": {("AgentRelay", "UnkeptRuns", (FUNCTION,))},
    }
    for name, alarm in alarms.items():
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["AlarmTopic"], name
        assert alarm["AlarmDescription"].startswith("Agent Relay: "), name


def test_three_answers_that_are_not_kept_within_five_minutes_are_too_many():
    alarm = of_type(deploy()["Resources"], "AWS::CloudWatch::Alarm")["RunsAlarm"]
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 300, 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["Threshold"] == 3
    assert "RunsAlarm" not in of_type(deploy(ResumeHours=0)["Resources"], "AWS::CloudWatch::Alarm")


def test_alarms_and_dashboard_read_metrics_that_are_emitted():
    resources = deploy()["Resources"]
    read = [
        metric(part)
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        for part in metrics(alarm)
    ]
    read += dashboard_metrics(resources)
    assert {namespace for namespace, _, _ in read} == {"AgentRelay", "AWS/Lambda", "AWS/ApiGateway"}
    for namespace, name, dimensions in read:
        match namespace, dict(dimensions):
            case "AgentRelay", of:
                assert name in emitted() and tuple(of) in emitted()[name], name
            case "AWS/Lambda", {"FunctionName": "relay-function"}:
                assert name in LAMBDA_METRICS
            case "AWS/ApiGateway", {"ApiId": "abcdef1234"}:
                assert name in WEBSOCKET_METRICS
            case "AWS/ApiGateway", {"ApiId": "page567890"}:
                assert name in HTTP_METRICS
            # CloudWatch knows a REST API by its name only.
            case "AWS/ApiGateway", {"ApiName": api}:
                assert api == of_type(resources, "AWS::ApiGateway::RestApi")["AguiApi"]["Name"]
                assert name in REST_METRICS
            case unknown:
                pytest.fail(f"{unknown}")


def test_the_dashboard_shows_every_api():
    shown = [
        value
        for namespace, _, dimensions in dashboard_metrics(deploy()["Resources"])
        if namespace == "AWS/ApiGateway"
        for _, value in dimensions
    ]
    assert list(dict.fromkeys(shown)) == ["abcdef1234", "relay-agui", "page567890"]
    assert shown.count("relay-agui") == len(REST_METRICS)


def test_the_dashboard_shows_every_metric_of_the_relay():
    resources = deploy()["Resources"]
    shown = {
        name for namespace, name, _ in dashboard_metrics(resources) if namespace == "AgentRelay"
    }
    assert shown == set(emitted())


def test_the_dashboard_searches_errors_by_code_and_the_function_s_own_log():
    widgets = dashboard(deploy()["Resources"])["widgets"]
    (search,) = [
        row[0]["expression"]
        for widget in widgets
        for row in widget["properties"].get("metrics", [])
        if isinstance(row[0], dict)
    ]
    assert search == (
        'SEARCH(\'{AgentRelay,FunctionName,Code} MetricName="Errors" '
        "FunctionName=\"relay-function\"', 'Sum', 300)"
    )
    (query,) = [widget["properties"]["query"] for widget in widgets if widget["type"] == "log"]
    assert query.startswith("SOURCE 'relay-logs' | ")
    for field in re.findall(r"\b(outcome|code|error|advice)\b", query):
        assert field in REPORT
    # Widgets that overlap are moved by the console.
    taken = [
        (x, y)
        for widget in widgets
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(taken) == len(set(taken))


def test_there_is_a_saved_query_for_each_common_question():
    queries = of_type(deploy()["Resources"], "AWS::Logs::QueryDefinition")
    assert {query["Name"] for query in queries.values()} == {
        f"relay/{title}"
        for title in [
            "One run by any of its ids",
            "The runs of one conversation",
            "All that happened on one connection",
            "How runs end and how long they take",
            "The runs that waited longest for their first text",
            "Failed runs by code with the last cause",
            "Runs whose client had gone by the hour",
            "Calls and posts that were throttled or tried again",
            "Runs that are not kept",
            "Clients that were not let in and why",
            "Cold starts by the hour",
            "What runs cost by the day",
        ]
    }
    # `tests/integration/saved_queries.rs` has the lines that they are for.
    for name, query in queries.items():
        assert query["LogGroupNames"] == ["relay-logs"], name
        commands = [part.split()[0] for part in query["QueryString"].split("| ")]
        assert set(commands) <= {"fields", "filter", "sort", "limit", "stats"}, name
        assert "filter" in commands, name
        # What is listed has an end, and what is counted is a table.
        assert ("limit" in commands) != ("stats" in commands), name
        # No credential, prompt or answer has a field, and the console shows what a query names.
        assert "@message" not in query["QueryString"], name


def test_the_operations_page_names_every_saved_query():
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    queries = of_type(deploy()["Resources"], "AWS::Logs::QueryDefinition").values()
    named = re.findall(
        r"^\| `([^`]+)` \|", page.split("## Saved queries")[1].split("\n## ")[0], re.MULTILINE
    )
    assert sorted(named) == sorted(query["Name"].removeprefix("relay/") for query in queries)


@pytest.mark.parametrize(("tracing", "active"), [("PassThrough", False), ("Active", True)])
def test_traces_are_recorded_where_that_is_wished(tracing, active):
    resources = deploy(Tracing=tracing)["Resources"]
    (function,) = of_type(resources, "AWS::Lambda::Function").values()
    assert function["TracingConfig"] == {"Mode": tracing}
    (stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert stage.get("TracingEnabled", False) is active
    (role,) = of_type(resources, "AWS::IAM::Role").values()
    rights = [
        statement
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Sid"] == "RecordTraces"
    ]
    assert (
        rights
        == [
            {
                "Sid": "RecordTraces",
                "Effect": "Allow",
                "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
                "Resource": "*",
            }
        ]
        * active
    )
    # Nor does SAM add a policy of AWS's own.
    assert "ManagedPolicyArns" not in role


def test_nothing_is_recorded_by_default():
    (function,) = of_type(deploy()["Resources"], "AWS::Lambda::Function").values()
    assert function["TracingConfig"] == {"Mode": "PassThrough"}


@pytest.mark.parametrize(
    ("email", "subscriptions"),
    [
        ("", []),
        (
            "ops@example.com",
            [{"TopicArn": "AlarmTopic", "Protocol": "email", "Endpoint": "ops@example.com"}],
        ),
    ],
)
def test_alarms_are_mailed_to_who_asked_for_it(email, subscriptions):
    resources = deploy(AlarmEmail=email)["Resources"]
    assert list(of_type(resources, "AWS::SNS::Topic")) == ["AlarmTopic"]
    assert list(of_type(resources, "AWS::SNS::Subscription").values()) == subscriptions


# Helpers.


def stages_with_logs(**parameters):
    """Every stage with the settings of its access log; the two kinds of API name them differently."""
    resources = deploy(**parameters)["Resources"]
    found = {
        name: (stage, stage.get("AccessLogSettings"))
        for name, stage in of_type(resources, "AWS::ApiGatewayV2::Stage").items()
    }
    for name, stage in of_type(resources, "AWS::ApiGateway::Stage").items():
        found[name] = (stage, stage.get("AccessLogSetting"))
    return found


def emitted():
    """The metrics that `src/telemetry.rs` writes, each with its sets of dimensions."""
    assert '"Namespace": "AgentRelay"' in REPORT
    names = re.findall(r'json!\(\{"Name": "(\w+)", "Unit"', REPORT)
    # Those of runs that are kept are named first, and written by a loop or a variable.
    names += re.findall(r'\("(\w+)", (?:joins|is_unkept\.into\(\))\)', REPORT)
    names += re.findall(r'Joined::\w+ => "(\w+)",', REPORT)
    assert REPORT.count('json!({"Name": name, "Unit": "Count"})') == 2
    found = {name: [("FunctionName",)] for name in names}
    assert '&["FunctionName"], &by_function' in REPORT
    assert '&["FunctionName", "Code"], &[errors]' in REPORT
    found["Errors"].append(("FunctionName", "Code"))
    assert set(found) == {
        *("Runs", "FirstChunk", "GoneClients", "RetriedPosts", "Errors"),
        *("Joins", "Replays", "UnkeptRuns", "LostRuns"),
    }
    return found


def metrics(alarm):
    """The metrics that an alarm reads, whether it is one or a sum of several."""
    if "Metrics" not in alarm:
        return [alarm]
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


def metric(of):
    dimensions = tuple((part["Name"], part["Value"]) for part in of["Dimensions"])
    return of["Namespace"], of["MetricName"], dimensions


def dashboard(resources):
    (board,) = of_type(resources, "AWS::CloudWatch::Dashboard").values()
    return json.loads(board["DashboardBody"])


def dashboard_metrics(resources):
    return [
        (namespace, name, tuple(zip(dimensions[::2], dimensions[1::2], strict=True)))
        for widget in dashboard(resources)["widgets"]
        for row in widget["properties"].get("metrics", [])
        if isinstance(row[0], str)
        for namespace, name, *dimensions in [[part for part in row if isinstance(part, str)]]
    ]
