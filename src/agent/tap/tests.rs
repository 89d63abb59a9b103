use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use proptest::prelude::*;

use super::*;

fn frame(message_type: &str, name: &str, payload: &[u8]) -> Vec<u8> {
    let header = |name: &'static str, value: &str| {
        Header::new(name, HeaderValue::String(value.to_owned().into()))
    };
    let type_header = if message_type == "event" { ":event-type" } else { ":exception-type" };
    let message = Message::new(Bytes::copy_from_slice(payload))
        .add_header(header(":message-type", message_type))
        .add_header(header(type_header, name))
        .add_header(header(":content-type", "application/json"));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// Lets `bytes` pass in pieces that end at `cuts`, and returns what the tap has seen.
fn tapped(bytes: &[u8], cuts: &[usize]) -> Vec<WireEvent> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let events = WireEvents::default();
    let mut body = TappedBody::new(SdkBody::empty(), events.clone());
    let mut start = 0;
    for end in ends {
        body.keep(&bytes[start..end]);
        start = end;
    }
    std::iter::from_fn(|| events.take()).collect()
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
            events.iter().flat_map(|(name, payload)| frame("event", name, payload)).collect();
        let seen = tapped(&bytes, &cuts);
        let seen: Vec<(String, Vec<u8>)> = seen
            .iter()
            .map(|event| (event.name().unwrap(), event.payload().to_vec()))
            .collect();
        prop_assert_eq!(seen, events);
    }

    #[test]
    fn hostile_streams_do_no_harm(
        events in events(),
        noise in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let mut bytes: Vec<u8> =
            events.iter().flat_map(|(name, payload)| frame("event", name, payload)).collect();
        for (place, value) in noise {
            let place = place % (bytes.len() + 1);
            if place == bytes.len() { bytes.push(value) } else { bytes[place] = value }
        }
        let seen = tapped(&bytes, &cuts);
        let kept: usize = seen.iter().map(|event| event.frame.len()).sum();
        prop_assert!(kept <= bytes.len());
        for event in seen {
            prop_assert!(event.payload().len() <= event.frame.len() - PRELUDE - CHECKSUM);
            event.name();
        }
    }
}

#[test]
fn an_exception_is_no_event() {
    let mut bytes = frame("event", "chunk", b"{}");
    bytes.extend(frame("exception", "throttlingException", b"{}"));
    let names: Vec<Option<String>> = tapped(&bytes, &[]).iter().map(WireEvent::name).collect();
    assert_eq!(names, [Some("chunk".to_owned()), None]);
}

#[test]
fn nothing_is_kept_behind_a_length_that_no_frame_has() {
    let mut bytes = frame("event", "chunk", b"{}");
    bytes.extend([0, 0, 0, 15]);
    bytes.extend(frame("event", "chunk", b"{}"));
    assert_eq!(tapped(&bytes, &[]).len(), 1);
}
