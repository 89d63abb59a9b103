//! A client of `DynamoDB`, as large as four operations need: JSON over HTTP, signed.
//!
//! Not the SDK's, which was here first and was measured: what the table adds to a usual turn was half as many
//! instructions again, the binary was larger by 0.4 MB, and a first build took longer (docs/benchmarks.md). What
//! is hard about a call is the SDK's still: where the credentials are, the signature, and what a Region's host is
//! called. `tests/python/test_table_requests.py` compares each request and its signature with botocore's.

use std::error::Error;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_apigatewaymanagement::config::endpoint::{
    DefaultResolver, Params, ResolveEndpoint as _,
};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::{DateTime, Format};
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Mutex, OnceCell};
use tracing::debug;

use crate::aws::Http;

/// What the names of operations begin with, of this version of the service.
const SERVICE: &str = "DynamoDB_20120810";

const METHOD: &str = "POST";

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// The header that names the operation.
const TARGET: &str = "x-amz-target";

/// Who calls, for `CloudTrail`.
const NAME: &str = concat!("agent-relay/", env!("CARGO_PKG_VERSION"));

/// The id that the service knows a call by.
const REQUEST_ID: &str = "x-amzn-requestid";

/// Credentials that expire within this time are asked for anew.
const EXPIRES_SOON: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes. The service's own are smaller: it reads one megabyte for a
/// `Query` ("Paginating table query results"), of which JSON makes six at worst.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// What the service calls a signature that it takes for too old or too new: these, as the SDK has it.
const OF_WRONG_TIME: [&str; 5] = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "RequestTimeTooSkewed",
    "AccessDeniedException",
];

/// By how much a signature's time must have been wrong for that to be why it was refused: the service allows
/// five minutes, and the SDK counts from here.
const WRONG_TIME_MS: u64 = 4 * 60 * 1000;

/// An answer that took longer says nothing about the time: the environment was frozen meanwhile.
const MAX_TRUSTED_WAIT: Duration = Duration::from_secs(10);

/// A clock that would be this wrong is none: a hundred years, in milliseconds. No signature can be made of
/// times beyond the year 9999.
const MAX_SKEW_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// A client of the service.
#[derive(Debug)]
pub(super) struct Client {
    sdk: SdkConfig,
    http: Http,
    /// Where the service is; found when it is first called.
    url: OnceCell<String>,
    /// The credentials of the last call.
    credentials: Mutex<Option<Credentials>>,
    /// By how many milliseconds the service's clock was ahead of this machine's when it answered last.
    skew_ms: AtomicI64,
}

/// Why a call has no result.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// It can't be made.
    #[error("the call can't be made")]
    NotMade(#[source] Box<dyn Error + Send + Sync>),
    /// There are no credentials to sign it with.
    #[error("there are no credentials")]
    NoCredentials(#[source] CredentialsError),
    /// It, or the answer to it, was lost on the way.
    #[error("it was lost on the way")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    /// The service refused.
    #[error("{status} {code}: {message} (request {request_id})")]
    Refused { status: u16, code: String, message: String, request_id: String },
    /// The answer is not what the service answers.
    #[error("the answer can't be read")]
    Unreadable(#[source] serde_json::Error),
}

impl CallError {
    /// The name of the service's error; empty where it gave none.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            _ => "",
        }
    }
}

impl Client {
    /// A client with the SDK's configuration, which calls through `http`. Nothing is called.
    pub(super) fn new(sdk: &SdkConfig, http: Http) -> Self {
        let (url, credentials) = (OnceCell::new(), Mutex::default());
        Self { sdk: sdk.clone(), http, url, credentials, skew_ms: AtomicI64::new(0) }
    }

    /// Calls an operation: once, or again if the service has refused the time of the signature, which it tells
    /// with each answer.
    ///
    /// # Errors
    /// There is no result.
    pub(super) async fn call<O: DeserializeOwned>(
        &self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<O, CallError> {
        let signed_with_ms = self.skew_ms.load(Ordering::Relaxed);
        let called = self.call_once(operation, input).await;
        let skew_ms = self.skew_ms.load(Ordering::Relaxed);
        match called {
            Err(error)
                if OF_WRONG_TIME.contains(&error.code())
                    && skew_ms.abs_diff(signed_with_ms) > WRONG_TIME_MS =>
            {
                debug!(skew_ms, "this machine's clock is wrong, and the service's counts");
                self.call_once(operation, input).await
            }
            called => called,
        }
    }

    async fn call_once<O: DeserializeOwned>(
        &self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<O, CallError> {
        let request = self.request(operation, input).await?;
        let sent = SystemTime::now();
        let response = self.http.clone().send(request).await.map_err(lost)?;
        self.learn_skew(&response, sent);
        let (status, request_id) = (response.status(), request_id(&response));
        let body = Limited::new(response.into_body(), MAX_ANSWER);
        let body = body.collect().await.map_err(CallError::Lost)?.to_bytes();
        if status.is_success() {
            serde_json::from_slice(&body).map_err(CallError::Unreadable)
        } else {
            let Refusal { code, message } = Refusal::of(&body);
            Err(CallError::Refused { status: status.as_u16(), code, message, request_id })
        }
    }

    /// Learns from an answer to a request that was sent at this time what the service's clock says.
    fn learn_skew(&self, response: &HttpResponse, sent: SystemTime) {
        let waited = sent.elapsed().unwrap_or_default();
        let date = response.headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let Some(date) = date.and_then(|date| date.to_millis().ok())
            && let Ok(middle) = DateTime::from(sent + waited / 2).to_millis()
            && date.abs_diff(middle) <= MAX_SKEW_MS
            && waited <= MAX_TRUSTED_WAIT
        {
            self.skew_ms.store(date - middle, Ordering::Relaxed);
        }
    }

    /// The time by the service's clock, as far as it is known.
    fn now(&self) -> SystemTime {
        let (now, skew_ms) = (SystemTime::now(), self.skew_ms.load(Ordering::Relaxed));
        let skew = Duration::from_millis(skew_ms.unsigned_abs());
        let time = if skew_ms < 0 { now.checked_sub(skew) } else { now.checked_add(skew) };
        time.unwrap_or(now)
    }

    async fn request(
        &self,
        operation: &str,
        input: &impl Serialize,
    ) -> Result<HttpRequest, CallError> {
        let url = self.url.get_or_try_init(|| url(&self.sdk)).await.map_err(CallError::NotMade)?;
        let target = format!("{SERVICE}.{operation}");
        let body = Bytes::from(serde_json::to_vec(input).map_err(not_made)?);
        let identity = self.credentials().await.map_err(CallError::NoCredentials)?.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.sdk.region().map_or("", |region| region.as_ref()))
            .name("dynamodb")
            .time(self.now())
            .settings(SigningSettings::default())
            .build()
            .map_err(not_made)?
            .into();
        let headers = [("content-type", CONTENT_TYPE), (TARGET, &*target)];
        // The host, the time and what comes with the credentials are added, and signed, too.
        let signable =
            SignableRequest::new(METHOD, url, headers.into_iter(), SignableBody::Bytes(&body));
        let signed = sign(signable.map_err(not_made)?, &params).map_err(not_made)?;
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(METHOD).map_err(not_made)?;
        request.set_uri(url.as_str()).map_err(not_made)?;
        let all = request.headers_mut();
        all.insert("content-type", CONTENT_TYPE);
        all.insert("user-agent", NAME);
        all.try_insert(TARGET, target).map_err(not_made)?;
        for header in signed.into_parts().0.into_parts().0 {
            all.try_insert(header.name(), header.value().to_owned()).map_err(not_made)?;
        }
        Ok(request)
    }

    /// The credentials to sign with: those of the last call, as long as they last.
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let mut kept = self.credentials.lock().await;
        let soon = SystemTime::now() + EXPIRES_SOON;
        if let Some(credentials) = &*kept
            && credentials.expiry().is_none_or(|expiry| expiry > soon)
        {
            return Ok(credentials.clone());
        }
        let missing = || CredentialsError::not_loaded("no place for them is configured");
        let provider: SharedCredentialsProvider =
            self.sdk.credentials_provider().ok_or_else(missing)?;
        let credentials = provider.provide_credentials().await?;
        Ok(kept.insert(credentials).clone())
    }
}

/// Where the service is: the address that the environment or a profile names, or else the Region's.
async fn url(sdk: &SdkConfig) -> Result<String, Box<dyn Error + Send + Sync>> {
    let key = ServiceConfigKey::builder()
        .service_id("DynamoDB")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()?;
    // In the order of the SDK's own clients: what code has set, what is said of this service, of all.
    let of_service = || sdk.service_config().and_then(|settings| settings.load_config(key));
    let of_all = sdk.endpoint_url().map(ToOwned::to_owned);
    let is_set_in_code = sdk.get_origin("endpoint_url").is_client_config();
    let set = if is_set_in_code { of_all } else { of_service().or(of_all) };
    match set {
        // It may have a path, behind which the service begins.
        Some(url) if is_of_http(&url) => Ok(format!("{}/", url.trim_end_matches('/'))),
        Some(url) => Err(format!("\"{url}\" is no http or https URL").into()),
        None => {
            region_url(
                sdk.region().map_or("", |region| region.as_ref()),
                sdk.use_fips().unwrap_or_default(),
                sdk.use_dual_stack().unwrap_or_default(),
            )
            .await
        }
    }
}

/// Whether an address names a scheme and so a host, which whoever signs takes for granted.
fn is_of_http(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// The service's address in a Region. The SDK knows what the hosts of each partition end with.
async fn region_url(
    region: &str,
    fips: bool,
    dual_stack: bool,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    // In these Regions, the usual host is the validated one ("Amazon DynamoDB endpoints and quotas").
    let fips = fips && (dual_stack || !region.starts_with("us-gov-"));
    let params =
        Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build()?;
    let of_other = DefaultResolver::new().resolve_endpoint(&params).await?;
    Ok(format!("{}/", of_other.url().replacen("://execute-api", "://dynamodb", 1)))
}

/// What the service says when it refuses.
#[derive(Debug)]
struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    /// Reads the body of a refusal: `com.amazonaws.dynamodb.v20120810#` stands before the error's name, and a
    /// URL may stand behind it ("AWS JSON 1.0 protocol"). The name counts whatever the message is. What is
    /// between here and the service may refuse too, with a body that is anything.
    fn of(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let code = text("__type").unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        let message = text("message").or_else(|| text("Message")).unwrap_or_default().to_owned();
        Self { code, message }
    }
}

fn request_id(response: &HttpResponse) -> String {
    response.headers().get(REQUEST_ID).unwrap_or("without an id").to_owned()
}

fn not_made(error: impl Error + Send + Sync + 'static) -> CallError {
    CallError::NotMade(error.into())
}

fn lost(error: ConnectorError) -> CallError {
    if error.is_user() { not_made(error) } else { CallError::Lost(error.into()) }
}

#[cfg(test)]
mod tests;
