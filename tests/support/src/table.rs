//! The table of a function's runs: options that have one, what was asked of it, and what is in it.

use local_aws::{Entry, LocalAws, Options, TableOperation};
use serde_json::{Value, json};

use crate::soon;

/// The name of the table.
pub const RUNS_TABLE: &str = "runs";

/// What makes a function keep no runs, though there is a table.
pub const NO_TABLE: (&str, &str) = ("RUNS_TABLE", "");

/// These options with a table, and with the variables that make a function keep its runs there for so many
/// hours.
pub fn with_table(options: Options, resume_hours: u16) -> Options {
    let hours = resume_hours.to_string();
    let own = [("RUNS_TABLE", RUNS_TABLE), ("RESUME_HOURS", &*hours)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = own.into_iter().chain(options.environment).collect();
    Options { table: Some(RUNS_TABLE.to_owned()), environment, ..options }
}

/// A call of the table, as the journal has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableCall {
    pub operation: TableOperation,
    pub request: Value,
    pub status: u16,
    pub error: Option<String>,
    pub capacity_units: f64,
}

/// The calls of the table that were carried out or refused, in their order.
pub fn calls(aws: &LocalAws) -> Vec<TableCall> {
    let call = |entry| match entry {
        Entry::TableCalled { operation, request, status, error, capacity_units } => {
            Some(TableCall { operation, request, status, error, capacity_units })
        }
        _ => None,
    };
    aws.journal().entries().into_iter().filter_map(call).collect()
}

/// What calls cost, in dollars: the prices of on-demand tables in us-east-1 for a million units, 0.625 to
/// write and 0.125 to read.
pub fn dollars(calls: &[TableCall]) -> f64 {
    let price = |call: &TableCall| if call.operation.writes_items() { 0.625e-6 } else { 0.125e-6 };
    calls.iter().map(|call| call.capacity_units * price(call)).sum()
}

/// Calls DynamoDB beside the function. It is in the journal like the function's calls, and meets faults
/// like these.
pub async fn call(aws: &LocalAws, operation: TableOperation, request: &Value) -> (u16, Value) {
    let request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        // On the port of everything, where no certificate is asked for.
        .post(format!("http://{}/dynamodb", aws.address()))
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(request.to_string());
    let response = soon("DynamoDB", request.send()).await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// All items, in DynamoDB's JSON. It takes one `Scan`.
pub async fn items(aws: &LocalAws) -> Vec<Value> {
    let scan = json!({ "TableName": RUNS_TABLE });
    let (status, mut response) = call(aws, TableOperation::Scan, &scan).await;
    assert_eq!(status, 200, "{response}");
    assert_eq!(response.get("LastEvaluatedKey"), None, "more than a Scan returns at once");
    serde_json::from_value(response["Items"].take()).unwrap()
}
