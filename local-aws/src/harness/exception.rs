//! The errors of `InvokeHarness` and `StopRuntimeSession`.

use axum::response::Response;
use serde_json::{Value, json};

use crate::agent::exception::Exception;
use crate::scripted::event_stream;

/// An error of AgentCore's data plane: the first response, or, of three of them, an event of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HarnessException {
    /// `accessDeniedException`
    AccessDenied,
    /// What stands before the service refuses a token: 500 and no name.
    AuthorizationDenied,
    /// `internalServerException`
    InternalServer,
    /// `resourceNotFoundException`
    ResourceNotFound,
    /// `retryableConflictException`
    RetryableConflict,
    /// `runtimeClientError`
    RuntimeClient,
    /// `serviceQuotaExceededException`
    ServiceQuotaExceeded,
    /// `throttlingException`
    Throttling,
    /// `unauthorizedException`
    Unauthorized,
    /// `validationException`
    Validation,
}

impl HarnessException {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AccessDenied,
        Self::AuthorizationDenied,
        Self::InternalServer,
        Self::ResourceNotFound,
        Self::RetryableConflict,
        Self::RuntimeClient,
        Self::ServiceQuotaExceeded,
        Self::Throttling,
        Self::Unauthorized,
        Self::Validation,
    ];

    /// Those that can come inside a stream.
    pub const IN_STREAM: [Self; 3] = [Self::InternalServer, Self::RuntimeClient, Self::Validation];

    /// Finds an exception by its name: any case, with or without `Exception` or `Error` at the end.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let stem = |name: &str| {
            let lower = name.to_ascii_lowercase().replace(['_', '-'], "");
            let stem = lower.strip_suffix("exception").or(lower.strip_suffix("error"));
            stem.map(str::to_owned).unwrap_or(lower)
        };
        Self::ALL.into_iter().find(|exception| stem(exception.member()) == stem(name))
    }

    /// Its name as a member of the stream, such as `validationException`.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::AccessDenied => "accessDeniedException",
            Self::AuthorizationDenied => "authorizationDenied",
            Self::InternalServer => "internalServerException",
            Self::ResourceNotFound => "resourceNotFoundException",
            Self::RetryableConflict => "retryableConflictException",
            Self::RuntimeClient => "runtimeClientError",
            Self::ServiceQuotaExceeded => "serviceQuotaExceededException",
            Self::Throttling => "throttlingException",
            Self::Unauthorized => "unauthorizedException",
            Self::Validation => "validationException",
        }
    }

    /// Its name as an error of a response, such as `ValidationException`.
    #[must_use]
    pub fn shape(self) -> Option<String> {
        let member = self.member();
        (self != Self::AuthorizationDenied).then(|| member[..1].to_uppercase() + &member[1..])
    }

    /// The HTTP status when it is the first response.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Validation => 400,
            Self::Unauthorized => 401,
            Self::ServiceQuotaExceeded => 402,
            Self::AccessDenied => 403,
            Self::ResourceNotFound => 404,
            Self::RetryableConflict => 409,
            Self::RuntimeClient => 424,
            Self::Throttling => 429,
            Self::AuthorizationDenied | Self::InternalServer => 500,
        }
    }

    /// A message such as the service gives.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::AccessDenied => {
                "User is not authorized to perform: bedrock-agentcore:InvokeHarness on the harness"
            }
            Self::AuthorizationDenied => "Authorization denied",
            Self::InternalServer => "An internal server error occurred. Retry your request.",
            Self::ResourceNotFound => "The harness or its endpoint does not exist.",
            Self::RetryableConflict => "Session operation in progress, please retry",
            Self::RuntimeClient => {
                "The model arn:aws:bedrock:us-east-1::foundation-model/internal cannot be invoked: \
                 check the agreement and the execution role of the harness"
            }
            Self::ServiceQuotaExceeded => {
                "The account has as many active sessions as its quota allows."
            }
            Self::Throttling => "Rate exceeded",
            Self::Unauthorized => "The credentials of the request are not accepted.",
            Self::Validation => "The request is not valid: the input is too long for the model.",
        }
    }
}

/// The counterpart of what `InvokeAgent` can answer.
impl From<Exception> for HarnessException {
    fn from(exception: Exception) -> Self {
        match exception {
            Exception::AccessDenied => Self::AccessDenied,
            Exception::BadGateway | Exception::InternalServer => Self::InternalServer,
            Exception::Conflict => Self::RetryableConflict,
            Exception::DependencyFailed | Exception::ModelNotReady => Self::RuntimeClient,
            Exception::ResourceNotFound => Self::ResourceNotFound,
            Exception::ServiceQuotaExceeded => Self::ServiceQuotaExceeded,
            Exception::Throttling => Self::Throttling,
            Exception::Validation => Self::Validation,
        }
    }
}

/// An exception with its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) exception: HarnessException,
    pub(crate) message: String,
    /// Where a validation failed: members of the request, and what is wrong with each.
    pub(crate) fields: Vec<(String, String)>,
    /// Whether the request could not even be read.
    pub(crate) unreadable: bool,
}

impl Refusal {
    /// An exception with another message than its own.
    pub(crate) fn new(exception: HarnessException, message: impl Into<String>) -> Self {
        Self { exception, message: message.into(), fields: Vec::new(), unreadable: false }
    }

    /// The validation exception with this message.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(HarnessException::Validation, message)
    }

    /// The validation exception of a request that cannot be read.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { unreadable: true, ..Self::invalid(message) }
    }

    /// The validation exception about a member of the request.
    pub(crate) fn invalid_field(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { fields: vec![(name.to_owned(), message.clone())], ..Self::invalid(message) }
    }

    /// The JSON of it.
    pub(crate) fn payload(&self) -> Value {
        let mut payload = json!({ "message": self.message });
        if self.exception == HarnessException::Validation {
            let reason = if self.unreadable { "CannotParse" } else { "FieldValidationFailed" };
            payload["reason"] = reason.into();
            if !self.fields.is_empty() {
                let field = |(name, message): &(String, String)| json!({ "name": name, "message": message });
                payload["fieldList"] = self.fields.iter().map(field).collect();
            }
        }
        payload
    }

    /// It instead of a stream.
    pub(crate) fn into_response(self) -> Response {
        let shape = self.exception.shape();
        event_stream::refusal(self.exception.status(), shape.as_deref(), self.payload())
    }
}

impl From<HarnessException> for Refusal {
    fn from(exception: HarnessException) -> Self {
        Self::new(exception, exception.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        for exception in HarnessException::ALL {
            let member = exception.member();
            let stem = member.trim_end_matches("Exception").trim_end_matches("Error");
            let shape = exception.shape().unwrap_or_default();
            for name in [member, stem, &member.to_uppercase()] {
                assert_eq!(HarnessException::by_name(name), Some(exception), "{name}");
            }
            assert!(shape.is_empty() || HarnessException::by_name(&shape) == Some(exception));
        }
        for name in ["", "exception", "error", "thrott"] {
            assert_eq!(HarnessException::by_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_validation_exception_has_the_reason_that_its_model_requires() {
        let refusal = Refusal::invalid_field("messages", "It is empty.");
        assert_eq!(
            refusal.payload(),
            json!({
                "message": "It is empty.",
                "reason": "FieldValidationFailed",
                "fieldList": [{ "name": "messages", "message": "It is empty." }],
            }),
        );
        assert_eq!(Refusal::unreadable("It is no JSON.").payload()["reason"], "CannotParse");
        let throttling = Refusal::from(HarnessException::Throttling);
        assert_eq!(throttling.payload(), json!({ "message": "Rate exceeded" }));
    }
}
