//! A request that is never answered.

use std::io;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::stream;

/// Closes the connection without a response: hyper closes a connection if the body of a response fails
/// before anything of that response was sent.
pub(crate) fn close_without_response() -> Response {
    let error = io::Error::from(io::ErrorKind::ConnectionAborted);
    Body::from_stream(stream::iter([Err::<Bytes, _>(error)])).into_response()
}
