//! What the operations do: the engine is Dynoxide, whose author tests it against AWS.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::fault::TableFault;
use super::operation::TableOperation;

/// How the engine marks errors that it finds while it reads a request, and what they are on the wire.
const MARKS: [(&str, ErrorKind); 5] = [
    ("SERIALIZATION_AS_READ:", DynoxideError::SerializationException),
    ("SERIALIZATION:", DynoxideError::SerializationException),
    ("VALIDATION_AS_READ:", DynoxideError::ValidationException),
    ("VALIDATION_REQUEST:", DynoxideError::EnvelopedValidation),
    ("VALIDATION:", DynoxideError::ValidationException),
];

/// Makes an error of this kind of its message.
type ErrorKind = fn(String) -> DynoxideError;

/// Tables in memory.
pub(super) struct Engine {
    database: Database,
}

/// What comes of a call.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The HTTP status.
    pub(super) status: u16,
    /// The JSON of the response.
    pub(super) body: String,
    /// The name of the error, such as `ConditionalCheckFailedException`, if it is one.
    pub(super) error: Option<String>,
    /// What is paid for it, in read or write units.
    pub(super) capacity_units: f64,
}

impl Engine {
    /// An engine with one table. It has the keys `conversation` and `run`, is paid by request, and lets items
    /// expire by their `expires`. As with DynamoDB, which takes up to some days to remove them, expired
    /// items can be read; here it never removes them.
    pub(super) fn with_table(name: &str) -> Result<Self, String> {
        let engine = Self { database: Database::memory().map_err(|error| error.to_string())? };
        let create = json!({
            "TableName": name,
            "KeySchema": [
                { "AttributeName": "conversation", "KeyType": "HASH" },
                { "AttributeName": "run", "KeyType": "RANGE" },
            ],
            "AttributeDefinitions": [
                { "AttributeName": "conversation", "AttributeType": "S" },
                { "AttributeName": "run", "AttributeType": "S" },
            ],
            "BillingMode": "PAY_PER_REQUEST",
        });
        let expire = json!({
            "TableName": name,
            "TimeToLiveSpecification": { "AttributeName": "expires", "Enabled": true },
        });
        engine.call(TableOperation::CreateTable, &create.to_string()).map_err(|e| e.to_string())?;
        let expire = engine.call(TableOperation::UpdateTimeToLive, &expire.to_string());
        expire.map_err(|error| error.to_string())?;
        Ok(engine)
    }

    /// Carries an operation out.
    pub(super) fn carry_out(
        &self,
        operation: TableOperation,
        mut request: Map<String, Value>,
    ) -> Outcome {
        // The engine is always asked what a call costs, and the caller told only if it has asked as well.
        let level = request.get("ReturnConsumedCapacity").and_then(Value::as_str);
        let tells_capacity = level.is_some_and(|level| level != "NONE");
        if operation.is_about_items() && !tells_capacity {
            // Anything but a text is an error that the engine shall find.
            let asks = request.get("ReturnConsumedCapacity").is_none_or(Value::is_string);
            if asks {
                request.insert("ReturnConsumedCapacity".to_owned(), "TOTAL".into());
            }
        }
        let called = self.call(operation, &Value::Object(request).to_string());
        let mut response = match called {
            Ok(response) => response,
            Err(error) => return Outcome::of_error(operation, error),
        };
        let consumed = match &mut response {
            Value::Object(members) if tells_capacity => members.get("ConsumedCapacity").cloned(),
            Value::Object(members) => members.remove("ConsumedCapacity"),
            _ => None,
        };
        let capacity_units = consumed.as_ref().map_or(0.0, capacity_units);
        Outcome { status: 200, body: response.to_string(), error: None, capacity_units }
    }

    fn call(&self, operation: TableOperation, body: &str) -> dynoxide::Result<Value> {
        let database = &self.database;
        match operation {
            TableOperation::GetItem => answer(body, |request| database.get_item(request)),
            TableOperation::PutItem => answer(body, |request| database.put_item(request)),
            TableOperation::UpdateItem => answer(body, |request| database.update_item(request)),
            TableOperation::DeleteItem => answer(body, |request| database.delete_item(request)),
            TableOperation::Query => answer(body, |request| database.query(request)),
            TableOperation::Scan => answer(body, |request| database.scan(request)),
            TableOperation::BatchGetItem => {
                answer(body, |request| database.batch_get_item(request))
            }
            TableOperation::BatchWriteItem => {
                answer(body, |request| database.batch_write_item(request))
            }
            TableOperation::TransactGetItems => {
                answer(body, |request| database.transact_get_items(request))
            }
            TableOperation::TransactWriteItems => {
                answer(body, |request| database.transact_write_items(request))
            }
            TableOperation::CreateTable => answer(body, |request| database.create_table(request)),
            TableOperation::DeleteTable => answer(body, |request| database.delete_table(request)),
            TableOperation::DescribeTable => {
                answer(body, |request| database.describe_table(request))
            }
            TableOperation::ListTables => answer(body, |request| database.list_tables(request)),
            TableOperation::UpdateTimeToLive => {
                answer(body, |request| database.update_time_to_live(request))
            }
            TableOperation::DescribeTimeToLive => {
                answer(body, |request| database.describe_time_to_live(request))
            }
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Outcome {
    /// The error that a fault is.
    pub(super) fn of_fault(fault: TableFault, operation: TableOperation, table: &str) -> Self {
        // The page "Diagnosing throttling" of DynamoDB's developer guide has the reasons.
        let kind = if operation.writes_items() { "Write" } else { "Read" };
        let reasons = |limit: &str| {
            json!([{
                "reason": format!("Table{kind}{limit}"),
                "resource": format!("arn:aws:dynamodb:us-east-1:123456789012:table/{table}"),
            }])
        };
        match fault {
            TableFault::Throttled => Self::refusal(
                400,
                "ThrottlingException",
                &json!({
                    "message":
                        "Throughput exceeds the maximum OnDemandThroughput configured on table or index",
                    "throttlingReasons": reasons("MaxOnDemandThroughputExceeded"),
                }),
            ),
            TableFault::KeyThrottled => Self::refusal(
                400,
                "ProvisionedThroughputExceededException",
                &json!({
                    "message":
                        "The level of configured provisioned throughput for the table was exceeded. \
                         Consider increasing your provisioning level with the UpdateTable API.",
                    "ThrottlingReasons": reasons("KeyRangeThroughputExceeded"),
                }),
            ),
            _ => Self::failure("Internal server error"),
        }
    }

    /// DynamoDB's own failure.
    pub(super) fn failure(message: &str) -> Self {
        Self::refusal(500, "InternalServerError", &json!({ "message": message }))
    }

    fn refusal(status: u16, error: &str, members: &Value) -> Self {
        let mut body = members.clone();
        body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{error}").into();
        let error = Some(error.to_owned());
        Self { status, body: body.to_string(), error, capacity_units: 0.0 }
    }

    fn of_error(operation: TableOperation, error: DynoxideError) -> Self {
        use TableOperation::{DeleteItem, PutItem, UpdateItem};
        let error = match error {
            // These three name the number of errors that they have found; it is always one.
            DynoxideError::EnvelopedValidation(message)
                if matches!(operation, PutItem | UpdateItem | DeleteItem) =>
            {
                DynoxideError::ValidationException(format!(
                    "1 validation error detected: {message}"
                ))
            }
            error => error,
        };
        let capacity_units = match error {
            // A condition that does not hold is paid for by the size of the item; those of the table that
            // have conditions are below 1 KB.
            DynoxideError::ConditionalCheckFailedException(..) => 1.0,
            _ => 0.0,
        };
        let name = error.error_type().rsplit('#').next().map(str::to_owned);
        Self { status: error.status_code(), body: error.to_json(), error: name, capacity_units }
    }
}

/// Reads a request, has it answered, and writes the response.
fn answer<Q: DeserializeOwned, A: Serialize>(
    body: &str,
    call: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> dynoxide::Result<Value> {
    let request = serde_json::from_str(body).map_err(|error| unreadable(&error.to_string()))?;
    let response = call(request)?;
    serde_json::to_value(response)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The error of a request that is no such request.
fn unreadable(error: &str) -> DynoxideError {
    // What is about no place in the text has none.
    let place = error.rfind(" at line ").unwrap_or(error.len());
    let marked =
        MARKS.iter().find_map(|(mark, kind)| Some((error.strip_prefix(mark)?, mark, kind)));
    match marked {
        Some((message, mark, kind)) if mark.ends_with("_AS_READ:") => kind(message.to_owned()),
        Some((_, mark, kind)) => kind(error[mark.len()..place].to_owned()),
        // What is there, but not what DynamoDB takes, is invalid; what is of another type can't be read.
        None if ["missing field", "unknown variant", "invalid type: null", "AttributeValue"]
            .iter()
            .any(|part| error.contains(part)) =>
        {
            DynoxideError::ValidationException(error[..place].to_owned())
        }
        None => DynoxideError::SerializationException(error[..place].to_owned()),
    }
}

/// The units of one table, or of several.
fn capacity_units(consumed: &Value) -> f64 {
    let units = |consumed: &Value| consumed["CapacityUnits"].as_f64().unwrap_or_default();
    consumed.as_array().map_or_else(|| units(consumed), |several| several.iter().map(units).sum())
}
