"""The table of runs, seen by boto3: an independent client, which checks the checksum of each response."""

import pytest
from aws_clients import make_resource
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from local_aws import LocalAws

RUN = {"conversation": "conversation-1", "run": "1700000000000-request-1"}


@pytest.fixture(scope="module")
def local():
    with LocalAws("--resume-hours", "1") as local:
        yield local


@pytest.fixture
def table(local):
    """The table, empty."""
    table = make_resource("dynamodb", local.dynamodb).Table("runs")
    for item in table.scan()["Items"]:
        table.delete_item(Key={name: item[name] for name in RUN})
    return table


def join(table, connection_id):
    """What a client that has come back asks for."""
    return table.update_item(
        Key=RUN,
        UpdateExpression="SET conn = :conn, #after = :after ADD gen :one",
        ConditionExpression="attribute_not_exists(parts) AND attribute_not_exists(lost)",
        ExpressionAttributeNames={"#after": "after"},
        ExpressionAttributeValues={":conn": connection_id, ":after": -1, ":one": 1},
        ReturnValues="ALL_NEW",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )


def test_the_table_is_as_a_deployment_makes_it(table):
    assert [(key["AttributeName"], key["KeyType"]) for key in table.key_schema] == [
        ("conversation", "HASH"),
        ("run", "RANGE"),
    ]
    assert table.billing_mode_summary["BillingMode"] == "PAY_PER_REQUEST"
    expiry = table.meta.client.describe_time_to_live(TableName="runs")["TimeToLiveDescription"]
    assert expiry == {"AttributeName": "expires", "TimeToLiveStatus": "ENABLED"}


def test_a_run_is_joined_until_it_has_ended(table):
    table.put_item(Item={**RUN, "id": "run-1", "gen": 0, "taken": 0})
    assert join(table, "connection-2")["Attributes"]["gen"] == 1
    assert join(table, "connection-3")["Attributes"]["gen"] == 2
    table.update_item(
        Key=RUN,
        UpdateExpression="SET parts = :parts, taken = gen",
        ConditionExpression="attribute_not_exists(lost)",
        ExpressionAttributeValues={":parts": 0},
    )
    with pytest.raises(ClientError) as refused:
        join(table, "connection-4")
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused.value.response["Item"]["taken"] == {"N": "2"}
    assert table.get_item(Key=RUN, ConsistentRead=True)["Item"]["conn"] == "connection-3"


def test_the_newest_run_comes_first(table):
    for run in ["1700000000000-b", "1700000000002-a", "1700000000001-c"]:
        table.put_item(Item={**RUN, "run": run})
    newest = table.query(
        KeyConditionExpression=Key("conversation").eq(RUN["conversation"]),
        ScanIndexForward=False,
        Limit=1,
    )
    assert [item["run"] for item in newest["Items"]] == ["1700000000002-a"]


def test_a_reserved_word_is_refused(table):
    with pytest.raises(ClientError, match="reserved keyword: after"):
        table.update_item(
            Key=RUN,
            UpdateExpression="SET after = :after",
            ExpressionAttributeValues={":after": 1},
        )


def test_bytes_come_back_as_they_were(table):
    data = bytes(range(256)) * 1000
    table.put_item(Item={**RUN, "data": data})
    response = table.get_item(Key=RUN, ReturnConsumedCapacity="TOTAL")
    assert response["Item"]["data"].value == data
    # 4 KB for half a unit.
    assert response["ConsumedCapacity"]["CapacityUnits"] == 31.5
