"""The template as a deployment makes it: translated by SAM and resolved for parameters.

Needs the SAM CLI's virtual environment (``requirements-sam.txt``) and no network. Run as a program,
it prints the environment of the function as JSON, for those who live in another one::

    deployment.py TEMPLATE [Parameter=value ...]
"""

import json
import os
import re
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

REPOSITORY = Path(__file__).parents[2]
TEMPLATE = REPOSITORY / "template.yaml"

API = "WebSocketApi"
AGUI = "AguiApi"
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
# What CloudFormation gives for a reference to a resource; others stand for themselves.
RESOURCES = {
    API: "abcdef1234",
    f"{API}.ApiId": "abcdef1234",
    "PageApi": "page567890",
    AGUI: "agui246801",
    "AccessLogs": "access-logs",
    FUNCTION: "relay-function",
    f"{FUNCTION}.Arn": FUNCTION_ARN,
    "RelayRole.Arn": "arn-of-the-role",
    "RunsTable": "runs-table",
    "RunsTable.Arn": "arn-of-the-runs-table",
    "RelayLogs": "relay-logs",
    "RelayLogs.Arn": "arn:aws:logs:eu-central-1:123456789012:log-group:relay-logs:*",
}
REQUIRED = {"AccessCode": "correct horse"}
# Who answers: one of the three, and the first for a deployment that names none.
AGENT = {"AgentId": "AGENT12345", "AgentAliasId": "ALIAS12345"}
HARNESS = {
    "HarnessArn": "arn:aws:bedrock-agentcore:eu-central-1:123456789012:harness/relay_demo-Ab12Cd34Ef"
}
RUNTIME = {
    "RuntimeArn": "arn:aws:bedrock-agentcore:eu-central-1:123456789012:runtime/relay_demo-Gh56Ij78Kl"
}

NO_VALUE = object()


def translate(where=HERE, path=TEMPLATE):
    """The template as CloudFormation sees it, after the SAM transform."""
    os.environ["AWS_DEFAULT_REGION"] = where["AWS::Region"]
    template = yaml_parse(path.read_text())
    # `sam package` puts the uploaded archive's address here.
    template["Resources"][FUNCTION]["Properties"]["CodeUri"] = "s3://bucket/key"
    # Managed policies would be looked up; there are none.
    return transform(template, {}, managed_policy_loader=None)


def deploy(where=HERE, path=TEMPLATE, **parameters):
    """Resources and outputs that exist with these parameters, without intrinsic functions."""
    template = translate(where, path)
    values = parameter_values(template, parameters) | RESOURCES | where
    conditions = template["Conditions"]
    return {
        section: {
            name: resolve(item, values, conditions)
            for name, item in template[section].items()
            if "Condition" not in item or resolve(conditions[item["Condition"]], values, conditions)
        }
        for section in ("Resources", "Outputs")
    }


def refusals(**parameters):
    """What CloudFormation says against these parameters: the messages of the template's rules."""
    template = translate()
    values = parameter_values(template, parameters)
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values()
        if "RuleCondition" not in rule or resolve(rule["RuleCondition"], values, {})
        for assertion in rule["Assertions"]
        if not resolve(assertion["Assert"], values, {})
    ]


def parameter_values(template, given):
    """Every parameter's value, as text, which is all that conditions and rules compare."""
    declared = template["Parameters"]
    assert set(given) <= set(declared), "the template has no such parameter"
    defaults = {name: of["Default"] for name, of in declared.items() if "Default" in of}
    source = {} if set(given) & set(AGENT | HARNESS | RUNTIME) else AGENT
    return {name: str(value) for name, value in (defaults | REQUIRED | source | given).items()}


def of_type(resources, type_):
    """The properties of all resources of a CloudFormation type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in resources.items()
        if resource["Type"] == type_
    }


def environment(resources):
    """The function's environment variables."""
    return of_type(resources, "AWS::Lambda::Function")[FUNCTION]["Environment"]["Variables"]


def resolve(node, values, conditions):
    """Evaluates the intrinsic functions that the template uses; an unknown one fails."""

    def walk(node):
        match node:
            case {"Ref": "AWS::NoValue"}:
                return NO_VALUE
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
            case {"Fn::And": [*operands]}:
                return all(is_true(operand) for operand in walk(operands))
            case {"Fn::Or": [*operands]}:
                return any(is_true(operand) for operand in walk(operands))
            # Of one condition in another; that of a resource stands beside its type.
            case {"Condition": str(name)} if len(node) == 1:
                return walk(conditions[name])
            case dict():
                unknown = [key for key in node if key.startswith("Fn::")]
                assert not unknown, f"the test does not know {unknown}"
                walked = {key: walk(value) for key, value in node.items()}
                return {key: value for key, value in walked.items() if value is not NO_VALUE}
            case list():
                return [value for value in map(walk, node) if value is not NO_VALUE]
            case _:
                return node

    return walk(node)


def is_true(value):
    """What `Fn::And` and `Fn::Or` take, and nothing that Python would take for it."""
    assert isinstance(value, bool), f"{value} is no condition"
    return value


def substitute(text, values):
    """`Fn::Sub`; a resource without a value of its own stands for itself, as with `Ref`."""
    return re.sub(r"\$\{([^}]+)\}", lambda name: values.get(name[1], name[1]), text)


def references(node):
    """Every name that `Ref`, `Fn::GetAtt`, `Fn::Sub`, `Fn::If` or `Condition` mentions."""
    match node:
        case {"Ref": name}:
            return {name}
        case {"Fn::GetAtt": [resource, _]}:
            return {resource}
        case {"Fn::If": [condition, *branches]}:
            return {condition} | references(branches)
        case {"Condition": str(condition), **rest}:
            return {condition} | references(rest)
        case dict():
            return set().union(*(references(value) for value in node.values()))
        case list():
            return set().union(*(references(value) for value in node))
        case str(text):
            return set(re.findall(r"\$\{([^}.!]+)", text))
        case _:
            return set()


def main():
    path, *given = sys.argv[1:]
    parameters = dict(pair.split("=", 1) for pair in given)
    print(json.dumps(environment(deploy(path=Path(path), **parameters)["Resources"])))


if __name__ == "__main__":
    main()
