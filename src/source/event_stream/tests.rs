use std::convert::Infallible;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue};
use futures::{FutureExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;

use super::*;

fn frame(headers: &[(&'static str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut message = event_stream::Message::new(Bytes::copy_from_slice(payload));
    for (name, value) in headers {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn event(name: &str, payload: &[u8]) -> Vec<u8> {
    frame(&[(":message-type", "event"), (":event-type", name)], payload)
}

/// Reads `bytes` that come in pieces which end at `cuts`, to their end or to the first error.
fn read(bytes: &[u8], cuts: &[usize]) -> (Vec<Message>, Option<StreamError>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    let pieces = ends.into_iter().map(|end| {
        let piece = Bytes::copy_from_slice(&bytes[start..end]);
        start = end;
        Ok::<_, Infallible>(Frame::data(piece))
    });
    let pieces: Vec<_> = pieces.collect();
    let body = SdkBody::from_body_1_x(StreamBody::new(stream::iter(pieces)));
    let mut messages = Messages::new(body);
    let mut seen = Vec::new();
    loop {
        match messages.next().now_or_never().expect("everything is there") {
            Ok(Some(message)) => seen.push(message),
            Ok(None) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

fn events() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![Just("chunk".to_owned()), Just("trace".to_owned()), "[a-z]{1,12}"];
    prop::collection::vec((name, prop::collection::vec(any::<u8>(), 0..300)), 0..8)
}

proptest! {
    #[test]
    fn hostile_cuts_lose_no_event(
        events in events(),
        cuts in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let bytes: Vec<u8> =
            events.iter().flat_map(|(name, payload)| event(name, payload)).collect();
        let (seen, error) = read(&bytes, &cuts);
        prop_assert!(error.is_none());
        let expected: Vec<Message> = events
            .into_iter()
            .map(|(name, payload)| Message::Event { name: name.into(), payload: payload.into() })
            .collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn hostile_streams_do_no_harm(
        events in events(),
        noise in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let mut bytes: Vec<u8> =
            events.iter().flat_map(|(name, payload)| event(name, payload)).collect();
        for (place, value) in noise {
            let place = place % (bytes.len() + 1);
            if place == bytes.len() { bytes.push(value) } else { bytes[place] = value }
        }
        let (seen, _) = read(&bytes, &cuts);
        prop_assert!(seen.len() <= events.len());
    }

    #[test]
    fn hostile_ends_inside_a_frame_are_no_good_end(
        payload in prop::collection::vec(any::<u8>(), 0..100),
        cut in 1_usize..40,
    ) {
        let mut bytes = event("chunk", &payload);
        bytes.truncate(bytes.len() - cut.min(bytes.len() - 1));
        let (seen, error) = read(&bytes, &[]);
        prop_assert!(seen.is_empty());
        prop_assert!(matches!(error, Some(StreamError::EndInsideFrame)), "{:?}", error);
    }
}

#[test]
fn an_exception_and_an_error_are_told_apart_from_events() {
    let exception = [(":message-type", "exception"), (":exception-type", "throttlingException")];
    let error =
        [(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "no")];
    let (seen, failed) = read(&[frame(&exception, b"{}"), frame(&error, b"")].concat(), &[]);
    assert!(failed.is_none());
    let name = "throttlingException".to_owned();
    assert_eq!(
        seen,
        [
            Message::Exception { name, payload: Bytes::from_static(b"{}") },
            Message::Error { code: "InternalFailure".to_owned(), message: "no".to_owned() },
        ]
    );
}

#[test]
fn nothing_is_read_behind_a_length_that_no_frame_has() {
    let bytes = [event("chunk", b"{}"), vec![0; 16], event("chunk", b"{}")].concat();
    let (seen, error) = read(&bytes, &[]);
    assert_eq!(seen.len(), 1);
    assert!(matches!(error, Some(StreamError::NoFrame(_))), "{error:?}");
}

#[test]
fn a_frame_that_does_not_say_what_it_is_ends_the_stream() {
    for headers in [&[][..], &[(":message-type", "event")], &[(":message-type", "news")]] {
        let (seen, error) = read(&frame(headers, b"{}"), &[]);
        assert!(seen.is_empty() && error.is_some(), "{headers:?}");
    }
}
