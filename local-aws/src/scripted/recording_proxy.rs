//! Passes requests on to a service and its responses back, and writes the responses down.
//!
//! The function signs for the host that it is given, which is this one, so a request is signed anew: by
//! the SDK, with the credentials of this machine. Its body is the one that came; the response is passed
//! on as it comes, before it is recorded.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder as HttpClientBuilder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http_body::Body as _;
use tokio::sync::watch;

use super::recording::{Recorded, RecordingFile, TurnRecording};
use crate::journal::{Entry, Journal};

/// What the recorder of a service needs beside its client.
#[derive(Clone, Debug)]
pub(crate) struct RecordingProxy {
    file: Arc<RecordingFile>,
    journal: Journal,
    stopping: watch::Receiver<bool>,
}

/// How machines reach AWS: through their proxy, where they have one.
pub(crate) fn http_client() -> SharedHttpClient {
    HttpClientBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build()
    })
}

/// How what is on this machine is reached: without TLS, and never through a proxy.
pub(crate) fn local_http_client() -> SharedHttpClient {
    HttpClientBuilder::new().build_http()
}

impl RecordingProxy {
    /// Records in a new file.
    ///
    /// # Errors
    /// When the file exists or cannot be made.
    pub(crate) fn create(
        path: &Path,
        journal: Journal,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let file = Arc::new(RecordingFile::create(path)?);
        Ok(Self { file, journal, stopping })
    }

    /// Where it says what happens.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Passes a response on, and records it. One that is no stream of events is not recorded.
    pub(crate) fn pass_on(self, recorded: impl Recorded, mut response: HttpResponse) -> Response {
        let (status, headers) = (status(&response), headers(&response));
        let body = std::mem::replace(response.body_mut(), SdkBody::empty());
        if !status.is_success() {
            return (status, headers, Body::new(body)).into_response();
        }
        let stopping = self.stopping.clone();
        let turn = TurnRecording::new(recorded);
        let response = RecordedResponse { body, turn, recorder: self, stopping };
        let body = Body::from_stream(stream::unfold(response, async |mut response| {
            let bytes = response.next().await?;
            Some((bytes, response))
        }));
        (status, headers, body).into_response()
    }
}

/// Passes a response on that is nothing to record.
pub(crate) fn pass_on_unrecorded(mut response: HttpResponse) -> Response {
    let (status, headers) = (status(&response), headers(&response));
    let body = std::mem::replace(response.body_mut(), SdkBody::empty());
    (status, headers, Body::new(body)).into_response()
}

fn status(response: &HttpResponse) -> StatusCode {
    StatusCode::from_u16(response.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// The headers that are of the service, and not of this connection to it.
fn headers(response: &HttpResponse) -> HeaderMap {
    let of_the_service = |name: &str| name == "content-type" || name.starts_with("x-amz");
    response
        .headers()
        .iter()
        .filter(|(name, _)| of_the_service(name))
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect()
}

/// A response that is recorded while it is passed on. Where its caller leaves, its recording ends.
struct RecordedResponse<R: Recorded> {
    body: SdkBody,
    turn: TurnRecording<R>,
    recorder: RecordingProxy,
    stopping: watch::Receiver<bool>,
}

impl<R: Recorded> RecordedResponse<R> {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let frame =
                std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let frame = tokio::select! {
                frame = frame => frame,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match frame {
                Some(Ok(frame)) => {
                    // Trailers have nothing to tell.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.turn.push(&bytes);
                    return Some(Ok(bytes));
                }
                Some(Err(error)) => {
                    self.turn.end(true);
                    return Some(Err(io::Error::other(error)));
                }
                None => {
                    self.turn.end(false);
                    self.write();
                    return None;
                }
            }
        }
    }

    /// Writes the turn down, once.
    fn write(&mut self) {
        let (session_id, (lines, events)) = (self.turn.session_id(), self.turn.lines());
        if events == 0 {
            return;
        }
        let event = match self.recorder.file.add(lines) {
            Ok(turn) => Entry::AgentRecorded { session_id, turn, events },
            Err(error) => Entry::RecordingFailed { session_id, reason: error.to_string() },
        };
        self.turn.clear();
        self.recorder.journal.record(event);
    }
}

impl<R: Recorded> Drop for RecordedResponse<R> {
    fn drop(&mut self) {
        self.write();
    }
}

/// Replaces the body of a request and adds headers to it, and takes the response as it is.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    body: Bytes,
    headers: Vec<(&'static str, String)>,
    response: Arc<Mutex<Option<HttpResponse>>>,
}

impl Exchange {
    /// The exchange that begins with this body, and with those of the headers that came.
    pub(crate) fn new(body: Bytes, came: &HeaderMap, names: &[&'static str]) -> Self {
        let value = |name| came.get(name).and_then(|value| value.to_str().ok());
        let headers = names.iter().filter_map(|name| Some((*name, value(*name)?.to_owned())));
        Self { body, headers: headers.collect(), response: Arc::default() }
    }

    /// The response, if there was one.
    pub(crate) fn take_response(&self) -> Option<HttpResponse> {
        self.response.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "Exchange"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        *request.body_mut() = SdkBody::from(self.body.clone());
        request.headers_mut().insert("content-length", self.body.len().to_string());
        for (name, value) in &self.headers {
            request.headers_mut().try_insert(*name, value.clone())?;
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let mut taken = HttpResponse::new(response.status(), SdkBody::empty());
        std::mem::swap(&mut taken, response);
        *self.response.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        Ok(())
    }
}
