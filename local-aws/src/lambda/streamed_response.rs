//! The response to a streaming invocation, while the function sends it.
//!
//! Lambda passes on what comes as fast as the caller reads it. A caller that has gone changes nothing for
//! the function, which is not told: what comes then is read and dropped.
//!
//! Shape: the section "Response streaming" of the page "Building a custom runtime for AWS Lambda", and the
//! page "Response streaming for Lambda functions".

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body::Body as _;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::journal::{Entry, Journal};
use crate::prelude::PreludeReader;
use crate::response_pieces::PieceSender;

/// The response to a streaming invocation. The invocation lasts until this has ended; dropped before, it
/// has broken off.
#[derive(Debug)]
pub(super) struct StreamedResponse {
    request_id: String,
    journal: Journal,
    stopping: watch::Receiver<bool>,
    /// How long the function may take for one event.
    time_limit: Duration,
    /// The way to the caller, until the response has ended.
    pieces: Option<PieceSender>,
    /// When the function's time is over.
    deadline: Instant,
    /// Reads the status, until that is known or there can be none.
    prelude: Option<PreludeReader>,
    status: Option<u16>,
    /// How many bytes came after the caller had gone.
    discarded: usize,
}

/// Why a response is not whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// There is more of it than Lambda passes on.
    #[error("Exceeded maximum allowed payload size ({max_bytes} bytes).")]
    TooLarge { max_bytes: usize },
    /// The function's time is over.
    #[error("the function's time is over")]
    TimedOut,
    /// The function sends no more of it.
    #[error("the function broke its response off")]
    BrokenOff,
    /// The function says so itself, in the trailers of the response.
    #[error("{error_type}: {message}")]
    Reported { error_type: String, message: String },
    /// Everything stops.
    #[error("everything stops")]
    Stopping,
}

impl StreamedResponse {
    pub(super) fn new(
        request_id: String,
        journal: Journal,
        stopping: watch::Receiver<bool>,
        time_limit: Duration,
        deadline: Instant,
        pieces: PieceSender,
    ) -> Self {
        Self {
            request_id,
            journal,
            stopping,
            time_limit,
            pieces: Some(pieces),
            deadline,
            prelude: Some(PreludeReader::default()),
            status: None,
            discarded: 0,
        }
    }

    /// Reads the response from the function to its end, and passes it on meanwhile.
    pub(super) async fn receive(mut self, body: Body, max_bytes: usize) -> Result<(), StreamError> {
        let deadline = self.deadline;
        let mut stopping = self.stopping.clone();
        let outcome = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => Err(StreamError::Stopping),
            outcome = self.pass_on(body, max_bytes) => outcome,
            () = sleep_until(deadline) => Err(StreamError::TimedOut),
        };
        self.end(outcome.as_ref().err());
        outcome
    }

    async fn pass_on(&mut self, mut body: Body, max_bytes: usize) -> Result<(), StreamError> {
        let mut bytes = 0_usize;
        let mut reported = None;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let frame = frame.map_err(|_| StreamError::BrokenOff)?;
            match frame.into_data() {
                Ok(piece) => {
                    bytes += piece.len();
                    if bytes > max_bytes {
                        return Err(StreamError::TooLarge { max_bytes });
                    }
                    self.pass_on_piece(piece).await;
                }
                Err(frame) => reported = frame.into_trailers().ok().and_then(|it| reported_by(&it)),
            }
        }
        reported.map_or(Ok(()), Err)
    }

    async fn pass_on_piece(&mut self, piece: Bytes) {
        match self.prelude.as_mut().map(|prelude| prelude.push(&piece)) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some((response, _)))) => {
                (self.prelude, self.status) = (None, Some(response.status));
            }
            Some(Err(_)) => self.prelude = None,
        }
        let length = piece.len();
        let passed_on = match &self.pieces {
            Some(pieces) => pieces.send(piece).await,
            None => false,
        };
        if !passed_on {
            self.discarded += length;
        }
    }

    /// Ends the invocation, once.
    fn end(&mut self, error: Option<&StreamError>) {
        let Some(pieces) = self.pieces.take() else { return };
        let request_id = || self.request_id.clone();
        let journal = &self.journal;
        // Recorded first, so that whatever the end causes comes after it in the journal.
        if self.discarded > 0 {
            let bytes = self.discarded;
            journal.record(Entry::ResponseDiscarded { request_id: request_id(), bytes });
        }
        let Some(error) = error else {
            journal.record(Entry::Responded {
                request_id: request_id(),
                status: self.status,
                late: pieces.is_closed(),
            });
            return pieces.complete();
        };
        if let Some((error_type, message)) = self.describe(error) {
            journal.record(Entry::InvocationError {
                request_id: request_id(),
                error_type,
                message,
            });
        }
    }

    /// Lambda's name for an error and its words; `None` if nothing is wrong with the function.
    fn describe(&self, error: &StreamError) -> Option<(String, String)> {
        let (error_type, message) = match error {
            StreamError::TooLarge { .. } => ("Function.ResponseSizeTooLarge", error.to_string()),
            StreamError::TimedOut => ("Sandbox.Timedout", timeout_message(self.time_limit)),
            StreamError::BrokenOff => ("Runtime.TruncatedResponse", error.to_string()),
            StreamError::Reported { error_type, message } => (&**error_type, message.clone()),
            StreamError::Stopping => return None,
        };
        Some((error_type.to_owned(), message))
    }
}

impl Drop for StreamedResponse {
    fn drop(&mut self) {
        // The function's connection may end without a word: then this is dropped where it waits.
        let stopping = *self.stopping.borrow();
        let error = if stopping { StreamError::Stopping } else { StreamError::BrokenOff };
        self.end(Some(&error));
    }
}

/// What is said of a function that takes longer than it may.
pub(super) fn timeout_message(time_limit: Duration) -> String {
    format!("Task timed out after {:.2} seconds", time_limit.as_secs_f64())
}

/// The error in the trailers of a response, if they have one.
fn reported_by(trailers: &HeaderMap) -> Option<StreamError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct ErrorBody {
        error_message: String,
    }
    let error_type = trailers.get("lambda-runtime-function-error-type")?;
    let error_type = String::from_utf8_lossy(error_type.as_bytes()).into_owned();
    let body = trailers.get("lambda-runtime-function-error-body");
    let body = body.and_then(|body| STANDARD.decode(body.as_bytes()).ok()).unwrap_or_default();
    let message = match serde_json::from_slice::<ErrorBody>(&body) {
        Ok(body) => body.error_message,
        // Lambda's own page asks for JSON; the Rust runtime sends text.
        Err(_) => String::from_utf8_lossy(&body).into_owned(),
    };
    Some(StreamError::Reported { error_type, message })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::response_pieces::{ResponsePieces, response_pieces};

    fn response(journal: &Journal) -> (StreamedResponse, ResponsePieces, watch::Sender<bool>) {
        let (sender, pieces) = response_pieces();
        let (stop, stopping) = watch::channel(false);
        let limit = Duration::from_mins(1);
        let deadline = Instant::now() + limit;
        let journal = journal.clone();
        let response =
            StreamedResponse::new("r".to_owned(), journal, stopping, limit, deadline, sender);
        (response, pieces, stop)
    }

    #[tokio::test]
    async fn a_response_that_is_too_large_breaks_off() {
        let journal = Journal::new(10);
        let (response, pieces, _stop) = response(&journal);
        let received =
            tokio::join!(response.receive(Body::from("12345678"), 7), pieces.collect::<Vec<_>>());
        assert!(matches!(received.0, Err(StreamError::TooLarge { max_bytes: 7 })));
        assert_eq!(received.1.len(), 1, "only the error");
        assert_eq!(
            journal.entries(),
            [Entry::InvocationError {
                request_id: "r".to_owned(),
                error_type: "Function.ResponseSizeTooLarge".to_owned(),
                message: "Exceeded maximum allowed payload size (7 bytes).".to_owned(),
            }],
        );
    }

    #[test]
    fn an_error_in_the_trailers_may_be_json_text_or_nothing() {
        let message = |body: Option<&str>| {
            let mut trailers = HeaderMap::new();
            trailers.insert("lambda-runtime-function-error-type", "Bad".parse().unwrap());
            if let Some(body) = body {
                trailers.insert("lambda-runtime-function-error-body", body.parse().unwrap());
            }
            match reported_by(&trailers) {
                Some(StreamError::Reported { error_type, message }) if error_type == "Bad" => {
                    message
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(message(Some(&STANDARD.encode(r#"{"errorMessage":"why"}"#))), "why");
        assert_eq!(message(Some(&STANDARD.encode("why"))), "why");
        assert_eq!(message(Some("not base64!")), "");
        assert_eq!(message(None), "");
        assert!(reported_by(&HeaderMap::new()).is_none());
    }
}
