//! DynamoDB, called by the SDK's own client: a run's item from its beginning to its end, the wire, and
//! every fault.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId as _;
use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemOutput};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, BillingMode, KeyType, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TimeToLiveStatus,
};
use futures::future::join_all;
use local_aws::TableOperation::{GetItem, PutItem, UpdateItem};
use local_aws::{
    Entry, FaultKind, LocalAws, Options, StartError, TableCalls, TableFault, WireClose,
};
use serde_json::{Value, json};
use test_support::table::{self, RUNS_TABLE, calls, dollars, items, with_table};
use test_support::{soon, start, wait_for_entry};

const CONVERSATION: &str = "conversation-1";
const RUN: &str = "1700000000000-request-1";

async fn start_with_table() -> LocalAws {
    start(with_table(Options::default(), 24)).await
}

fn client(aws: &LocalAws) -> Client {
    client_at(&aws.dynamodb_url())
}

/// A client that tries once.
fn client_at(endpoint_url: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The control item of a run, as it is when the run begins.
async fn begin(client: &Client, run: &str) {
    let put = client
        .put_item()
        .table_name(RUNS_TABLE)
        .item("conversation", text(CONVERSATION))
        .item("run", text(run))
        .item("id", text("run-1"))
        .item("key", AttributeValue::B(Blob::new([7; 32])))
        .item("until", number(1_700_000_900))
        .item("gen", number(0))
        .item("taken", number(0))
        .item("expires", number(1_700_090_000))
        .condition_expression("attribute_not_exists(#run)")
        .expression_attribute_names("#run", "run")
        .send();
    soon("the beginning", put).await.unwrap();
}

async fn get(client: &Client) -> Result<GetItemOutput, SdkError<GetItemError>> {
    let get = client
        .get_item()
        .table_name(RUNS_TABLE)
        .key("conversation", text(CONVERSATION))
        .key("run", text(RUN));
    soon("the item", get.send()).await
}

async fn item(client: &Client) -> HashMap<String, AttributeValue> {
    get(client).await.unwrap().item.unwrap()
}

fn update(client: &Client) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name(RUNS_TABLE)
        .key("conversation", text(CONVERSATION))
        .key("run", text(RUN))
}

/// What a client that has come back asks for.
fn join(client: &Client, connection_id: &str, after: &str) -> UpdateItemFluentBuilder {
    update(client)
        .update_expression("SET conn = :conn, #after = :after ADD gen :one")
        .condition_expression("attribute_not_exists(parts) AND attribute_not_exists(lost)")
        .expression_attribute_names("#after", "after")
        .expression_attribute_values(":conn", text(connection_id))
        .expression_attribute_values(":after", AttributeValue::N(after.to_owned()))
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

/// What the relay writes when the agent has ended.
fn end(client: &Client, parts: u64, taken: u64) -> UpdateItemFluentBuilder {
    update(client)
        .update_expression("SET parts = :parts, taken = :taken, expires = :expires")
        .condition_expression("attribute_not_exists(lost)")
        .expression_attribute_values(":parts", number(parts))
        .expression_attribute_values(":taken", number(taken))
        .expression_attribute_values(":expires", number(1_700_090_001))
}

/// The error of DynamoDB.
fn refusal<E: ProvideErrorMetadata + Debug, A: Debug>(answer: Result<A, SdkError<E>>) -> E {
    match answer {
        Err(SdkError::ServiceError(error)) => error.into_err(),
        other => panic!("{other:?}"),
    }
}

/// The item as it was when a condition did not hold.
fn failed_condition<A: Debug>(
    answer: Result<A, SdkError<UpdateItemError>>,
) -> Option<HashMap<String, AttributeValue>> {
    match refusal(answer) {
        UpdateItemError::ConditionalCheckFailedException(error) => {
            assert_eq!(error.message.as_deref(), Some("The conditional request failed"));
            error.item
        }
        other => panic!("{other:?}"),
    }
}

/// There was no answer, and not for want of patience.
fn assert_unanswered<A: Debug, E: Debug + std::error::Error + 'static>(
    answer: Result<A, SdkError<E>>,
) {
    match answer {
        Err(error @ SdkError::DispatchFailure(_)) => {
            let words = DisplayErrorContext(&error).to_string();
            assert!(words.contains("connection closed before message completed"), "{words}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_table_is_there_from_the_start() {
    let aws = start_with_table().await;
    let client = client(&aws);
    let described = client.describe_table().table_name(RUNS_TABLE).send().await.unwrap();
    let described = described.table.unwrap();
    let keys: Vec<_> =
        described.key_schema().iter().map(|key| (key.attribute_name(), key.key_type())).collect();
    assert_eq!(keys, [("conversation", &KeyType::Hash), ("run", &KeyType::Range)]);
    let billing = described.billing_mode_summary.unwrap().billing_mode;
    assert_eq!(billing, Some(BillingMode::PayPerRequest));
    let expiry = client.describe_time_to_live().table_name(RUNS_TABLE).send().await.unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name.as_deref(), Some("expires"));
    assert_eq!(expiry.time_to_live_status, Some(TimeToLiveStatus::Enabled));
    assert_eq!(client.list_tables().send().await.unwrap().table_names(), [RUNS_TABLE]);
    aws.stop().await;
}

#[tokio::test]
async fn without_a_table_nothing_leads_to_one() {
    let aws = start(Options::default()).await;
    let names: Vec<_> =
        aws.function_environment().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert!(!names.iter().any(|name| name.contains("DYNAMODB") || name.contains("RUNS")));
    aws.stop().await;

    let aws = start_with_table().await;
    let environment = aws.function_environment();
    for (name, value) in [
        ("AWS_ENDPOINT_URL_DYNAMODB", &*aws.dynamodb_url()),
        ("RUNS_TABLE", RUNS_TABLE),
        ("RESUME_HOURS", "24"),
    ] {
        assert!(environment.contains(&(name, value.to_owned())), "{name}: {environment:?}");
    }
    assert_eq!(aws.dynamodb_url(), format!("http://{}/dynamodb", aws.address()));
    aws.stop().await;
}

#[tokio::test]
async fn a_table_that_cannot_be_is_explained() {
    for name in ["", "no", "Läufe!"] {
        let options = Options { table: Some(name.to_owned()), ..Options::default() };
        match LocalAws::start(options).await {
            Err(error @ StartError::Table { .. }) => {
                let words = error.to_string();
                assert!(words.contains(&format!("cannot make the table {name}: ")), "{words}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_run_is_joined_and_ends() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    assert_eq!(item(&client).await["gen"], number(0));

    let joined = join(&client, "connection-2", "-1").send().await.unwrap().attributes.unwrap();
    assert_eq!(joined["gen"], number(1));
    assert_eq!(joined["after"], AttributeValue::N("-1".to_owned()));
    assert_eq!(joined["id"], text("run-1"), "all of it, and as it is now");
    let joined = join(&client, "connection-3", "17").send().await.unwrap().attributes.unwrap();
    assert_eq!((&joined["gen"], &joined["conn"]), (&number(2), &text("connection-3")));

    let taken = update(&client)
        .update_expression("SET taken = :taken")
        .expression_attribute_values(":taken", number(2))
        .return_values(ReturnValue::UpdatedNew);
    let taken = taken.send().await.unwrap().attributes.unwrap();
    assert_eq!(taken, HashMap::from([("taken".to_owned(), number(2))]));

    let data = Blob::new(vec![0xE4; 380_000]);
    client
        .put_item()
        .table_name(RUNS_TABLE)
        .item("conversation", text(&format!("{CONVERSATION}/{RUN}")))
        .item("run", text("0"))
        .item("data", AttributeValue::B(data.clone()))
        .item("expires", number(1_700_090_001))
        .send()
        .await
        .unwrap();
    end(&client, 1, 2).send().await.unwrap();

    // Who comes later finds out, and what there is.
    let found = failed_condition(join(&client, "connection-4", "17").send().await).unwrap();
    assert_eq!((&found["parts"], &found["taken"]), (&number(1), &number(2)));
    assert_eq!(found["gen"], number(2), "as before");
    let part = client
        .get_item()
        .table_name(RUNS_TABLE)
        .key("conversation", text(&format!("{CONVERSATION}/{RUN}")))
        .key("run", text("0"));
    let part = part.send().await.unwrap().item.unwrap();
    assert_eq!(part["data"], AttributeValue::B(data));
    aws.stop().await;
}

#[tokio::test]
async fn a_run_is_lost_or_ends_and_never_both() {
    let aws = start_with_table().await;
    let client = client(&aws);
    let lose = |mine: u64| {
        update(&client)
            .update_expression("SET lost = :true")
            .condition_expression("attribute_not_exists(parts) AND taken < :mine")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":mine", number(mine))
            .send()
    };
    begin(&client, RUN).await;
    // There is no join yet that nobody serves; nobody asked for the item, and so it is not told.
    assert_eq!(failed_condition(lose(0).await), None);
    lose(1).await.unwrap();
    assert_eq!(failed_condition(end(&client, 0, 0).send().await), None);
    assert!(item(&client).await.contains_key("lost"));

    let stop = update(&client)
        .update_expression("SET stop = :true")
        .condition_expression("attribute_exists(#run) AND attribute_not_exists(parts)")
        .expression_attribute_names("#run", "run")
        .expression_attribute_values(":true", AttributeValue::Bool(true));
    stop.send().await.unwrap();
    assert_eq!(item(&client).await["stop"], AttributeValue::Bool(true));
    // A stop of what never was makes no item.
    let nothing = client
        .update_item()
        .table_name(RUNS_TABLE)
        .key("conversation", text(CONVERSATION))
        .key("run", text("never"))
        .update_expression("SET stop = :true")
        .condition_expression("attribute_exists(gen)")
        .expression_attribute_values(":true", AttributeValue::Bool(true));
    assert_eq!(failed_condition(nothing.send().await), None);
    assert_eq!(items(&aws).await.len(), 1);
    aws.stop().await;
}

#[tokio::test]
async fn of_joins_at_the_same_time_each_has_a_number_of_its_own() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let joins = (0..20).map(|n| join(&client, &format!("connection-{n}"), "0").send());
    let joins = soon("the joins", join_all(joins)).await;
    let number = |joined: aws_sdk_dynamodb::operation::update_item::UpdateItemOutput| {
        joined.attributes.unwrap()["gen"].as_n().unwrap().parse::<u64>().unwrap()
    };
    let mut numbers: Vec<u64> = joins.into_iter().map(|joined| number(joined.unwrap())).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    // The journal has them in the order in which they were carried out.
    let last = calls(&aws).pop().unwrap();
    let last = last.request["ExpressionAttributeValues"][":conn"]["S"].clone();
    assert_eq!(item(&client).await["conn"], text(last.as_str().unwrap()));
    aws.stop().await;
}

#[tokio::test]
async fn an_item_is_made_once() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let again = client
        .put_item()
        .table_name(RUNS_TABLE)
        .item("conversation", text(CONVERSATION))
        .item("run", text(RUN))
        .condition_expression("attribute_not_exists(#run)")
        .expression_attribute_names("#run", "run");
    assert!(refusal(again.send().await).is_conditional_check_failed_exception());
    aws.stop().await;
}

#[tokio::test]
async fn reserved_words_need_other_names() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    for word in ["after", "key", "until", "data"] {
        let bare = update(&client)
            .update_expression(format!("SET {word} = :value"))
            .expression_attribute_values(":value", number(1));
        let error = refusal(bare.send().await);
        assert_eq!(error.code(), Some("ValidationException"));
        let reason = format!(
            "Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: {word}"
        );
        assert!(error.message().unwrap().ends_with(&reason), "{error:?}");
        let named = update(&client)
            .update_expression("SET #name = :value")
            .expression_attribute_names("#name", word)
            .expression_attribute_values(":value", number(1));
        named.send().await.unwrap();
    }
    for word in
        ["conversation", "run", "gen", "conn", "api", "stage", "taken", "stop", "parts", "lost"]
    {
        let bare = update(&client)
            .update_expression("SET expires = :value")
            .condition_expression(format!("attribute_not_exists({word}) OR expires >= :value"))
            .expression_attribute_values(":value", number(1));
        bare.send().await.unwrap();
    }
    aws.stop().await;
}

#[tokio::test]
async fn the_newest_run_comes_first() {
    let aws = start_with_table().await;
    let client = client(&aws);
    let newest = || {
        client
            .query()
            .table_name(RUNS_TABLE)
            .key_condition_expression("conversation = :conversation")
            .expression_attribute_values(":conversation", text(CONVERSATION))
            .scan_index_forward(false)
            .limit(1)
            .send()
    };
    assert!(newest().await.unwrap().items().is_empty());
    for run in ["1700000000000-b", "1700000000002-a", "1700000000001-c"] {
        begin(&client, run).await;
    }
    let found = newest().await.unwrap();
    assert_eq!(found.items().len(), 1);
    assert_eq!(found.items()[0]["run"], text("1700000000002-a"));
    assert!(found.last_evaluated_key.is_some(), "there are older ones");
    aws.stop().await;
}

#[tokio::test]
async fn expired_items_are_still_read() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let expire = update(&client)
        .update_expression("SET expires = :past")
        .expression_attribute_values(":past", number(1));
    expire.send().await.unwrap();
    assert_eq!(item(&client).await["expires"], number(1));
    aws.stop().await;
}

#[tokio::test]
async fn what_calls_cost_is_recorded_and_told_to_who_asks() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    assert_eq!(get(&client).await.unwrap().consumed_capacity, None);
    let consistent = client
        .get_item()
        .table_name(RUNS_TABLE)
        .key("conversation", text(CONVERSATION))
        .key("run", text(RUN))
        .consistent_read(true)
        .return_consumed_capacity(ReturnConsumedCapacity::Total);
    let consumed = consistent.send().await.unwrap().consumed_capacity.unwrap();
    assert_eq!(consumed.capacity_units, Some(1.0));
    let part = |bytes: usize| {
        client
            .put_item()
            .table_name(RUNS_TABLE)
            .item("conversation", text("c"))
            .item("run", text("0"))
            .item("data", AttributeValue::B(Blob::new(vec![1; bytes])))
            .send()
    };
    part(380_000).await.unwrap();
    // 400 KB is the most, names and values together.
    let error = refusal(part(400 * 1024).await);
    assert_eq!(error.code(), Some("ValidationException"));
    assert_eq!(error.message(), Some("Item size has exceeded the maximum allowed size"));
    join(&client, "connection-2", "0").send().await.unwrap();
    end(&client, 0, 0).send().await.unwrap();
    failed_condition(join(&client, "connection-3", "0").send().await).unwrap();

    let calls = calls(&aws);
    let told: Vec<_> =
        calls.iter().map(|call| (call.operation, call.status, call.capacity_units)).collect();
    assert_eq!(
        told,
        [
            (PutItem, 200, 1.0),
            (GetItem, 200, 0.5),
            (GetItem, 200, 1.0),
            (PutItem, 200, 372.0),
            (PutItem, 400, 0.0),
            (UpdateItem, 200, 1.0),
            (UpdateItem, 200, 1.0),
            (UpdateItem, 400, 1.0),
        ],
    );
    let (reads, writes) = (1.5, 376.0);
    let expected = (reads * 0.125 + writes * 0.625) / 1e6;
    assert!((dollars(&calls) - expected).abs() < 1e-12, "{}", dollars(&calls));
    assert_eq!(calls[7].error.as_deref(), Some("ConditionalCheckFailedException"));
    assert_eq!(calls[5].request["ExpressionAttributeNames"]["#after"], "after");
    assert_eq!(calls[1].request.get("ReturnConsumedCapacity"), None, "as it was asked");
    aws.stop().await;
}

#[tokio::test]
async fn each_local_aws_has_a_table_of_its_own() {
    let (one, other) = tokio::join!(start_with_table(), start_with_table());
    begin(&client(&one), RUN).await;
    assert_eq!(items(&one).await.len(), 1);
    assert_eq!(items(&other).await.len(), 0);
    tokio::join!(one.stop(), other.stop());
}

#[tokio::test]
async fn the_wire_is_dynamodbs() {
    let aws = start_with_table().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |target: Option<&str>, body: &str| {
        // The SDK asks for the path with a slash at its end or without, as its version is.
        let mut request = http.post(format!("{}/", aws.dynamodb_url())).body(body.to_owned());
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        let response = soon("the answer", request.send()).await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/x-amz-json-1.0");
        assert_eq!(header("x-amzn-requestid").len(), 52);
        let (status, checksum) = (response.status().as_u16(), header("x-amz-crc32"));
        let body = response.bytes().await.unwrap();
        assert_eq!(checksum, crc32fast::hash(&body).to_string());
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let list = Some("DynamoDB_20120810.ListTables");
    assert_eq!(post(list, "{}").await, (200, json!({ "TableNames": [RUNS_TABLE] })));
    let key = json!({ "conversation": { "S": "c" }, "run": { "S": "r" } });
    let get = json!({ "TableName": "others", "Key": key }).to_string();
    for (target, body, kind) in [
        (Some("DynamoDB_20120810.GetItem"), &*get, "dynamodb.v20120810#ResourceNotFoundException"),
        (Some("DynamoDB_20120810.GetItem"), "{}", "validate#ValidationException"),
        (Some("DynamoDB_20120810.GetItem"), r#"{"TableName":1}"#, "service#SerializationException"),
        (list, "[]", "service#SerializationException"),
        (list, "no JSON", "service#SerializationException"),
        (Some("DynamoDB_20120810.Forget"), "{}", "service#UnknownOperationException"),
        (None, "{}", "service#UnknownOperationException"),
    ] {
        let (status, error) = post(target, body).await;
        assert_eq!(status, 400, "{error}");
        assert!(error["__type"].as_str().unwrap().ends_with(kind), "{target:?} {body}: {error}");
    }
    assert!(get_request_id(&client(&aws)).await.is_some());
    aws.stop().await;
}

async fn get_request_id(client: &Client) -> Option<String> {
    client.list_tables().send().await.unwrap().request_id().map(str::to_owned)
}

#[tokio::test]
async fn calls_are_refused_in_dynamodbs_words() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let faults = aws.faults();
    let fail = |fault| faults.fail_table_calls(1, TableCalls::all(), fault);

    fail(TableFault::Throttled);
    match refusal(join(&client, "lost", "0").send().await) {
        UpdateItemError::ThrottlingException(error) => {
            let reason = &error.throttling_reasons()[0];
            assert_eq!(reason.reason(), Some("TableWriteMaxOnDemandThroughputExceeded"));
            assert!(reason.resource().unwrap().ends_with(":table/runs"));
        }
        other => panic!("{other:?}"),
    }
    fail(TableFault::KeyThrottled);
    match refusal(get(&client).await) {
        GetItemError::ProvisionedThroughputExceededException(error) => {
            let reason = &error.throttling_reasons()[0];
            assert_eq!(reason.reason(), Some("TableReadKeyRangeThroughputExceeded"));
        }
        other => panic!("{other:?}"),
    }
    fail(TableFault::Failed);
    let error = join(&client, "lost", "0").send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
    assert!(error.into_service_error().is_internal_server_error());

    assert_eq!(item(&client).await["gen"], number(0), "nothing was carried out");
    let errors: Vec<_> =
        calls(&aws).into_iter().filter_map(|call| Some((call.status, call.error?))).collect();
    let expected = [
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (500, "InternalServerError"),
    ];
    assert_eq!(errors, expected.map(|(status, name)| (status, name.to_owned())));
    let kind = FaultKind::Table(TableFault::KeyThrottled);
    let injected = Entry::FaultInjected { kind, subject: "GetItem".to_owned() };
    wait_for_entry(&aws, "the fault", |entry| *entry == injected).await;
    assert_eq!(faults.counts()[&kind], 1);
    aws.stop().await;
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_by_the_sdk() {
    let aws = start_with_table().await;
    let client = client(&aws);
    let config = client
        .config()
        .to_builder()
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .build();
    let patient = Client::from_conf(config);
    for fault in
        [TableFault::Throttled, TableFault::KeyThrottled, TableFault::Failed, TableFault::Cut]
    {
        aws.faults().fail_table_calls(1, TableCalls::all(), fault);
        get(&patient).await.unwrap();
    }
    aws.stop().await;
}

#[tokio::test]
async fn those_calls_fail_that_are_meant() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let ends = TableCalls::of(UpdateItem).containing(":parts").after(1);
    aws.faults().fail_table_calls(2, ends, TableFault::Failed);
    let failed = async || end(&client, 0, 0).send().await.is_err();
    assert!(!failed().await, "the first passes");
    assert!(failed().await);
    get(&client).await.unwrap();
    assert!(
        refusal(join(&client, "connection-2", "0").send().await)
            .is_conditional_check_failed_exception()
    );
    assert!(failed().await);
    assert!(!failed().await, "two were to fail");

    aws.faults().fail_table_calls(u32::MAX, TableCalls::all(), TableFault::Cut);
    for _ in 0..3 {
        assert_unanswered(get(&client).await);
    }
    aws.faults().clear();
    get(&client).await.unwrap();
    assert_eq!(aws.faults().counts()[&FaultKind::Table(TableFault::Cut)], 3);
    aws.stop().await;
}

#[tokio::test]
async fn a_cut_call_is_not_carried_out_and_one_whose_answer_is_lost_is() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    aws.faults().fail_table_calls(1, TableCalls::all(), TableFault::Cut);
    assert_unanswered(join(&client, "connection-2", "0").send().await);
    assert_eq!(item(&client).await["gen"], number(0));
    aws.faults().fail_table_calls(1, TableCalls::all(), TableFault::LoseAnswer);
    assert_unanswered(join(&client, "connection-2", "0").send().await);
    assert_eq!(item(&client).await["gen"], number(1));
    let updates =
        |aws: &LocalAws| calls(aws).iter().filter(|call| call.operation == UpdateItem).count();
    assert_eq!(updates(&aws), 1);
    aws.stop().await;
}

#[tokio::test]
async fn a_hanging_call_is_not_carried_out_and_holds_up_no_other() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let updates = TableCalls::of(UpdateItem);
    aws.faults().fail_table_calls(1, updates, TableFault::Hang);
    let kind = FaultKind::Table(TableFault::Hang);
    let injected = Entry::FaultInjected { kind, subject: "UpdateItem".to_owned() };
    let hanging = tokio::spawn(join(&client, "connection-2", "0").send());
    wait_for_entry(&aws, "the fault", |entry| *entry == injected).await;
    for _ in 0..5 {
        assert_eq!(item(&client).await["gen"], number(0));
    }
    assert!(!hanging.is_finished());
    soon("the end", aws.stop()).await;
    assert_unanswered(soon("the end of the call", hanging).await.unwrap());
}

#[tokio::test]
async fn a_slow_call_is_carried_out_before_it_is_answered() {
    let aws = start_with_table().await;
    let client = client(&aws);
    begin(&client, RUN).await;
    let updates = TableCalls::of(UpdateItem);
    let slow = TableFault::Slow(Duration::from_mins(10));
    aws.faults().fail_table_calls(1, updates, slow);
    let slow = tokio::spawn(join(&client, "connection-2", "0").send());
    let carried_out =
        |entry: &Entry| matches!(entry, Entry::TableCalled { operation: UpdateItem, .. });
    wait_for_entry(&aws, "the update", carried_out).await;
    assert_eq!(item(&client).await["gen"], number(1));
    assert!(!slow.is_finished());
    slow.abort();
    let slow = TableFault::Slow(Duration::from_millis(1));
    aws.faults().fail_table_calls(1, TableCalls::all(), slow);
    assert_eq!(item(&client).await["gen"], number(1));
    aws.stop().await;
}

#[tokio::test]
async fn the_table_can_be_out_of_reach() {
    let aws = start(with_table(Options { wire: true, ..Options::default() }, 24)).await;
    let wire = aws.table_wire().unwrap();
    assert_eq!(aws.dynamodb_url(), format!("http://{}/dynamodb", wire.address()));
    let client = client(&aws);
    begin(&client, RUN).await;
    wire.refuse_next(u32::MAX);
    assert_eq!(wire.close_open(WireClose::Reset), 1);
    for _ in 0..3 {
        match get(&client).await {
            Err(SdkError::DispatchFailure(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    wire.refuse_next(0);
    // On a pooled connection that was reset the first call may fail still.
    let _ = get(&client).await;
    assert_eq!(item(&client).await["gen"], number(0));
    aws.stop().await;
}

#[tokio::test]
async fn a_call_beside_the_function_needs_no_sdk() {
    let aws = start(with_table(Options { tls: true, ..Options::default() }, 1)).await;
    assert!(aws.dynamodb_url().starts_with("https://"));
    let put = json!({
        "TableName": RUNS_TABLE,
        "Item": { "conversation": { "S": "c" }, "run": { "S": "r" }, "expires": { "N": "1" } },
    });
    assert_eq!(table::call(&aws, PutItem, &put).await, (200, json!({})));
    assert_eq!(items(&aws).await, [put["Item"].clone()]);
    aws.stop().await;
}
