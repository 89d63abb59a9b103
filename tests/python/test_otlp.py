"""The traces that the page exports, read by OpenTelemetry's own package.

Node makes the files with the page's own code: of a Bedrock agent, of a harness and of a runtime. Each is
parsed into the message of the protocol, in which no unknown field may be, and its attributes are those
of the conventions for generative AI: https://opentelemetry.io/docs/specs/semconv/gen-ai/.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

EXPORT = Path(__file__).parents[1] / "web/support/export-traces.mjs"
FILES = json.loads(
    subprocess.run(["node", EXPORT], check=True, capture_output=True, text=True).stdout
)

# What the conventions know of the attributes in gen_ai.*; the price of a call is Langfuse's and others'.
TEXTS = {
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.agent.name",
    "gen_ai.data_source.id",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.retrieval.documents",
    "gen_ai.retrieval.query.text",
    "gen_ai.tool.name",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
}
COUNTS = {
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
}
NUMBERS = {"gen_ai.response.time_to_first_chunk", "gen_ai.usage.cost"}
OPERATIONS = {"chat", "execute_tool", "invoke_agent", "retrieval"}
LAST_NANOSECOND = 2**64 - 1


def with_base64_ids(value):
    """OTLP's JSON has ids in hex digits, where the protocol's mapping would have base64."""
    if isinstance(value, list):
        return [with_base64_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    members = {}
    for name, member in value.items():
        if name in ("traceId", "spanId", "parentSpanId"):
            assert re.fullmatch("[0-9a-f]{32}" if name == "traceId" else "[0-9a-f]{16}", member), (
                member
            )
            members[name] = json_format.MessageToDict(Span(trace_id=bytes.fromhex(member)))[
                "traceId"
            ]
        else:
            members[name] = with_base64_ids(member)
    return members


def spans_of(name):
    text = json.dumps(with_base64_ids(json.loads(FILES[name])))
    data = json_format.Parse(text, TracesData(), ignore_unknown_fields=False)
    [resource] = data.resource_spans
    [scope] = resource.scope_spans
    assert [(one.key, one.value.string_value) for one in resource.resource.attributes] == [
        ("service.name", "agent-relay")
    ]
    return scope.spans


def attributes_of(span):
    names = [one.key for one in span.attributes]
    assert len(names) == len(set(names)), "each attribute once"
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def of_operation(spans, operation):
    return [
        (span, attributes)
        for span in spans
        for attributes in [attributes_of(span)]
        if attributes.get("gen_ai.operation.name") == operation
    ]


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_one_trace_of_the_protocol(name):
    [root, *steps] = spans_of(name)
    assert root.parent_span_id == b"" and root.kind == Span.SPAN_KIND_CLIENT
    ids = {root.span_id}
    for span in steps:
        assert span.trace_id == root.trace_id
        assert span.parent_span_id in ids, "what a step belongs to stands before it"
        assert span.span_id not in ids
        ids.add(span.span_id)
    for span in [root, *steps]:
        assert any(span.trace_id) and any(span.span_id)
        assert span.name
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano < LAST_NANOSECOND
        assert span.status.code in (
            Status.STATUS_CODE_UNSET,
            Status.STATUS_CODE_OK,
            Status.STATUS_CODE_ERROR,
        )
        if span.status.code != Status.STATUS_CODE_ERROR:
            assert span.status.message == ""
        attributes = attributes_of(span)
        for attribute, value in attributes.items():
            if not attribute.startswith("gen_ai."):
                continue
            kind = str if attribute in TEXTS else int if attribute in COUNTS else float
            assert attribute in TEXTS | COUNTS | NUMBERS
            assert isinstance(value, kind), f"{attribute}: {value!r}"
        if "gen_ai.operation.name" in attributes:
            assert attributes["gen_ai.operation.name"] in OPERATIONS
            assert span.name.split(" ")[0] == attributes["gen_ai.operation.name"]
        for messages in ("gen_ai.input.messages", "gen_ai.output.messages"):
            for message in json.loads(attributes.get(messages, "[]")):
                assert message["role"] in ("user", "assistant")
                assert [part["type"] for part in message["parts"]] == ["text"]


@pytest.mark.parametrize("name", FILES)
def test_whole_numbers_of_64_bits_are_texts_as_the_protocol_wants(name):
    for span in json.loads(FILES[name])["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        assert isinstance(span["startTimeUnixNano"], str) and isinstance(
            span["endTimeUnixNano"], str
        )
        for attribute in span["attributes"]:
            if "intValue" in attribute["value"]:
                assert isinstance(attribute["value"]["intValue"], str)


def test_an_agent_of_bedrock_has_models_a_search_and_a_tool():
    spans = spans_of("classic answer")
    models = of_operation(spans, "chat")
    assert [span.kind for span, _ in models] == [Span.SPAN_KIND_CLIENT] * len(models) and len(
        models
    ) == 4
    span, model = models[0]
    assert span.name == "chat scripted.local-model-v1:0"
    assert model["gen_ai.request.model"] == "scripted.local-model-v1:0"
    assert model["gen_ai.provider.name"] == "aws.bedrock"
    assert model["gen_ai.usage.input_tokens"] > 0 and model["gen_ai.usage.output_tokens"] > 0
    assert model["gen_ai.usage.cost"] == pytest.approx(
        (3 * model["gen_ai.usage.input_tokens"] + 15 * model["gen_ai.usage.output_tokens"]) / 1e6
    )
    [(span, search)] = of_operation(spans, "retrieval")
    assert span.name == f"retrieval {search['gen_ai.data_source.id']}"
    assert "integration" in search["gen_ai.retrieval.query.text"]
    documents = json.loads(search["gen_ai.retrieval.documents"])
    assert documents and all(one["id"].startswith(("s3://", "http")) for one in documents)
    [(span, tool)] = of_operation(spans, "execute_tool")
    assert span.kind == Span.SPAN_KIND_INTERNAL
    assert tool["gen_ai.tool.name"] == "gateway-limits › lookup_limit"
    assert "integration-timeout" in tool["gen_ai.tool.call.arguments"]
    assert "29" in tool["gen_ai.tool.call.result"]
    [(root, agent)] = of_operation(spans, "invoke_agent")
    assert root == spans[0]
    assert agent["gen_ai.response.time_to_first_chunk"] == 0.12
    assert agent["gen_ai.usage.input_tokens"] == sum(
        one["gen_ai.usage.input_tokens"] for _, one in models
    )


def test_collaborators_are_agents_that_hold_their_steps():
    spans = spans_of("classic team")
    agents = {
        attributes.get("gen_ai.agent.name"): span
        for span, attributes in of_operation(spans, "invoke_agent")
    }
    assert {"trip-planner", "weather-desk"} <= set(agents)
    assert agents["weather-desk"].parent_span_id == agents["trip-planner"].span_id
    inner = [span.name for span in spans if span.parent_span_id == agents["weather-desk"].span_id]
    assert "execute_tool forecast › daily_forecast" in inner


@pytest.mark.parametrize("name", ["harness", "harness saved and opened", "harness of a file"])
def test_a_harness_has_tools_in_the_messages_that_called_them(name):
    spans = spans_of(name)
    models = {span.span_id: attributes for span, attributes in of_operation(spans, "chat")}
    assert any(one.get("gen_ai.usage.output_tokens", 0) > 0 for one in models.values())
    tools = of_operation(spans, "execute_tool")
    assert tools and all(span.parent_span_id in models for span, _ in tools)
    names = {attributes["gen_ai.tool.name"] for _, attributes in tools}
    assert "docs › Retrieve" in names
    failed = [
        attributes for span, attributes in tools if span.status.code == Status.STATUS_CODE_ERROR
    ]
    assert all(attributes["error.type"] for attributes in failed)
    assert bool(failed) == (name != "harness of a file")


def test_a_runtime_has_tools_and_what_failed_says_why():
    tools = [
        attributes["gen_ai.tool.name"]
        for _, attributes in of_operation(spans_of("runtime"), "execute_tool")
    ]
    assert "get_order" in tools
    for name in ("runtime failed", "classic failed"):
        root = spans_of(name)[0]
        assert root.status.code == Status.STATUS_CODE_ERROR and root.status.message
        assert attributes_of(root)["error.type"]
