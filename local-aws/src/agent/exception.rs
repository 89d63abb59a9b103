//! The ten exceptions of `InvokeAgent`.

use axum::response::Response;
use serde_json::{Value, json};

use crate::scripted::event_stream;

/// An exception of `InvokeAgent`: the first response, or an event of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// `accessDeniedException`
    AccessDenied,
    /// `badGatewayException`
    BadGateway,
    /// `conflictException`
    Conflict,
    /// `dependencyFailedException`
    DependencyFailed,
    /// `internalServerException`
    InternalServer,
    /// `modelNotReadyException`
    ModelNotReady,
    /// `resourceNotFoundException`
    ResourceNotFound,
    /// `serviceQuotaExceededException`
    ServiceQuotaExceeded,
    /// `throttlingException`
    Throttling,
    /// `validationException`
    Validation,
}

impl Exception {
    /// All ten.
    pub const ALL: [Self; 10] = [
        Self::AccessDenied,
        Self::BadGateway,
        Self::Conflict,
        Self::DependencyFailed,
        Self::InternalServer,
        Self::ModelNotReady,
        Self::ResourceNotFound,
        Self::ServiceQuotaExceeded,
        Self::Throttling,
        Self::Validation,
    ];

    /// Finds an exception by its name: any case, with or without `Exception` at the end.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let stem = |name: &str| {
            let lower = name.to_ascii_lowercase().replace(['_', '-'], "");
            lower.strip_suffix("exception").map(str::to_owned).unwrap_or(lower)
        };
        Self::ALL.into_iter().find(|exception| stem(exception.member()) == stem(name))
    }

    /// Its name as a member of the stream, such as `throttlingException`.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::AccessDenied => "accessDeniedException",
            Self::BadGateway => "badGatewayException",
            Self::Conflict => "conflictException",
            Self::DependencyFailed => "dependencyFailedException",
            Self::InternalServer => "internalServerException",
            Self::ModelNotReady => "modelNotReadyException",
            Self::ResourceNotFound => "resourceNotFoundException",
            Self::ServiceQuotaExceeded => "serviceQuotaExceededException",
            Self::Throttling => "throttlingException",
            Self::Validation => "validationException",
        }
    }

    /// Its name as an error of a response, such as `ThrottlingException`.
    #[must_use]
    pub fn shape(self) -> String {
        let member = self.member();
        member[..1].to_uppercase() + &member[1..]
    }

    /// The HTTP status when it is the first response.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Validation | Self::ServiceQuotaExceeded => 400,
            Self::AccessDenied => 403,
            Self::ResourceNotFound => 404,
            Self::Conflict => 409,
            Self::DependencyFailed | Self::ModelNotReady => 424,
            Self::Throttling => 429,
            Self::InternalServer => 500,
            Self::BadGateway => 502,
        }
    }

    /// A message such as Bedrock gives.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::AccessDenied => {
                "Access denied when calling Bedrock. Check your request permissions and retry the request."
            }
            Self::BadGateway => {
                "An issue was encountered while a dependency of the agent was called. Retry your request."
            }
            Self::Conflict => {
                "The session is busy with another request. Wait for it to end and retry the request."
            }
            Self::DependencyFailed => {
                "The Lambda function of the action group failed. Check its logs and retry the request."
            }
            Self::InternalServer => "An internal server error occurred. Retry your request.",
            Self::ModelNotReady => {
                "The model is not ready to serve inference requests yet. Retry your request later."
            }
            Self::ResourceNotFound => {
                "Failed to retrieve resource because it doesn't exist. Retry your request with a different resource identifier."
            }
            Self::ServiceQuotaExceeded => {
                "Your request exceeds a service quota. Request an increase of the quota, or send less."
            }
            Self::Throttling => "Your request rate is too high. Reduce the frequency of requests.",
            Self::Validation => {
                "The provided request is not valid. Check the input and retry the request."
            }
        }
    }

    /// The JSON of the exception with this message.
    #[must_use]
    pub fn payload(self, message: &str) -> Value {
        match self {
            Self::BadGateway | Self::DependencyFailed => {
                json!({ "message": message, "resourceName": "weather-actions" })
            }
            _ => json!({ "message": message }),
        }
    }
}

/// An exception with its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) exception: Exception,
    pub(super) message: String,
}

impl Refusal {
    /// The validation exception with this message.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { exception: Exception::Validation, message: message.into() }
    }

    /// The JSON of it.
    pub(super) fn payload(&self) -> Value {
        self.exception.payload(&self.message)
    }

    /// It instead of a stream.
    pub(super) fn into_response(self) -> Response {
        let (status, shape) = (self.exception.status(), self.exception.shape());
        event_stream::refusal(status, Some(&shape), self.payload())
    }
}

impl From<Exception> for Refusal {
    fn from(exception: Exception) -> Self {
        Self { exception, message: exception.message().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_spelling() {
        for exception in Exception::ALL {
            let member = exception.member();
            let stem = member.trim_end_matches("Exception");
            for name in [member, stem, &exception.shape(), &member.to_uppercase()] {
                assert_eq!(Exception::by_name(name), Some(exception), "{name}");
            }
        }
        assert_eq!(Exception::by_name("access_denied"), Some(Exception::AccessDenied));
        for name in ["", "exception", "thrott", "throttlingExceptionException"] {
            assert_eq!(Exception::by_name(name), None, "{name}");
        }
    }
}
