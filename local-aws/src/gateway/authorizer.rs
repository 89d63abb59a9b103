//! The REQUEST authorizer of `$connect`: the function is asked, and its response is a policy.
//!
//! Shapes: the pages "Input to an API Gateway Lambda authorizer" and "Output from an API Gateway Lambda
//! authorizer".

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::connection::Connection;
use super::event::{self, API_ID};
use super::state::Gateway;
use crate::lambda::InvokeError;
use crate::name_values::NameValues;
use crate::route::{Route, STAGE};

/// The largest response of an authorizer, in bytes.
const MAX_RESPONSE_BYTES: usize = 8 * 1024;

/// The ARN of the method that the response decides about.
fn method_arn() -> String {
    format!("arn:aws:execute-api:us-east-1:123456789012:{API_ID}/{STAGE}/$connect")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerResponse {
    principal_id: String,
    policy_document: Policy,
    #[serde(default)]
    context: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    statement: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: OneOrMany,
    effect: String,
    resource: OneOrMany,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Gateway {
    /// Asks the function whether a client may connect. What it says of the client travels with all
    /// events of the connection.
    ///
    /// # Errors
    /// The status of the handshake, and the text of its body.
    pub(super) async fn authorize(
        &self,
        connection: &Connection,
        headers: &NameValues,
        query: &NameValues,
    ) -> Result<Map<String, Value>, (StatusCode, &'static str)> {
        let arn = method_arn();
        let event = event::authorizer(connection, &self.authority, headers, query, &arn);
        match self.invoke_raw(Route::Authorizer, connection, event).await {
            Ok(response) => AuthorizerResponse::parse(&response, &arn),
            Err(InvokeError::Throttled) => {
                Err((StatusCode::TOO_MANY_REQUESTS, "no function is free for the authorizer"))
            }
            Err(InvokeError::Failed | InvokeError::TimedOut { .. }) => Err(BROKEN),
        }
    }
}

const BROKEN: (StatusCode, &str) =
    (StatusCode::INTERNAL_SERVER_ERROR, "the authorizer did not answer with a policy");

impl AuthorizerResponse {
    fn parse(response: &[u8], arn: &str) -> Result<Map<String, Value>, (StatusCode, &'static str)> {
        let parsed: Self = serde_json::from_slice(response).map_err(|_| BROKEN)?;
        let mut context = parsed.context.unwrap_or_default();
        let is_plain = |value: &Value| !value.is_object() && !value.is_array();
        if !context.values().all(is_plain) || response.len() > MAX_RESPONSE_BYTES {
            return Err(BROKEN);
        }
        let about = |effect: &str| {
            let statements = parsed.policy_document.statement.iter();
            statements
                .filter(|one| one.effect == effect)
                .any(|one| one.action.fits("execute-api:Invoke") && one.resource.fits(arn))
        };
        if about("Deny") {
            let reason = "User is not authorized to access this resource with an explicit deny";
            return Err((StatusCode::FORBIDDEN, reason));
        }
        if !about("Allow") {
            return Err((StatusCode::FORBIDDEN, "User is not authorized to access this resource"));
        }
        context.insert("principalId".to_owned(), Value::String(parsed.principal_id));
        Ok(context)
    }
}

impl OneOrMany {
    fn fits(&self, name: &str) -> bool {
        match self {
            Self::One(pattern) => fits(pattern, name),
            Self::Many(patterns) => patterns.iter().any(|pattern| fits(pattern, name)),
        }
    }
}

/// Whether a pattern of a policy, in which `*` stands for anything, fits a name.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).any(|at| name.is_char_boundary(at) && fits(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn authorized(effect: &str, resource: &Value) -> Result<Map<String, Value>, u16> {
        let response = json!({
            "principalId": "user-1", "context": {"access": "oidc"},
            "policyDocument": {"Version": "2012-10-17", "Statement": [
                {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
            ]}
        });
        AuthorizerResponse::parse(response.to_string().as_bytes(), &method_arn())
            .map_err(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_policy_counts_for_what_it_names() {
        let context = authorized("Allow", &json!([method_arn()])).unwrap();
        assert_eq!(
            (&context["principalId"], &context["access"]),
            (&json!("user-1"), &json!("oidc"))
        );
        assert!(authorized("Allow", &json!("arn:aws:execute-api:*:*:*/local/*")).is_ok());
        assert_eq!(authorized("Allow", &json!("arn:aws:execute-api:*:*:*/live/*")), Err(403));
        assert_eq!(authorized("Deny", &json!("*")), Err(403));
    }

    #[test]
    fn anything_but_a_policy_is_the_functions_fault() {
        for response in [&b"null"[..], b"{}", br#"{"statusCode":200}"#] {
            let (status, _) = AuthorizerResponse::parse(response, &method_arn()).unwrap_err();
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
}
