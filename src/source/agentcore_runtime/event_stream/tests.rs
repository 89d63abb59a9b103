use std::convert::Infallible;

use http_body::Frame;
use http_body_util::StreamBody;
use proptest::prelude::*;

use super::*;

/// What a response says that comes in these pieces, in short words, and the failure that it ends with.
fn said_in(pieces: Vec<Vec<u8>>) -> (Vec<String>, Option<Failure>) {
    let pieces = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece.into())));
    let body = SdkBody::from_body_1_x(StreamBody::new(stream::iter(pieces)));
    let answer = Box::new(EventStream::new(body, "run-1".to_owned()));
    let events = stream::try_unfold(answer, EventStream::next).collect::<Vec<_>>();
    let (mut said, mut failure) = (Vec::new(), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    for event in runtime.unwrap().block_on(events) {
        match event {
            Ok(event) => said.push(short(&event)),
            Err(error) => failure = Some(error),
        }
    }
    (said, failure)
}

fn said(text: &str) -> (Vec<String>, Option<Failure>) {
    said_in(vec![text.as_bytes().to_vec()])
}

fn short(event: &Event) -> String {
    match event {
        Event::Agui(event) => {
            let members: Vec<String> = event
                .members
                .iter()
                .map(|(name, json)| format!(" {name}={}", json.get()))
                .collect();
            let delta = event.delta.as_deref().map(|delta| format!(" +{delta}"));
            format!("{}{}{}", event.kind, members.concat(), delta.unwrap_or_default())
        }
        Event::Text(text) => format!("text {}", std::str::from_utf8(text).unwrap()),
        Event::Other(raw) => format!("raw {} {}", raw.name, raw.json.get()),
        Event::RunEnd(members) => {
            let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
            format!("end {}", names.join(" "))
        }
        event => panic!("a runtime says no {event:?}"),
    }
}

/// A stream of these events.
fn stream_of(events: &[&str]) -> String {
    let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    events.concat()
}

const STARTED: &str = r#"{"type":"RUN_STARTED","threadId":"t","runId":"r"}"#;
const FINISHED: &str = r#"{"type":"RUN_FINISHED","threadId":"t","runId":"r"}"#;

/// What an agent says between its beginning and its end.
fn between(events: &[&str]) -> Vec<String> {
    let all = [&[STARTED], events, &[FINISHED]].concat();
    let (mut said, failure) = said(&stream_of(&all));
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(said.pop().as_deref(), Some("end "));
    said
}

/// As `ag_ui_strands` sends a run with a tool: in the long form, with snapshots in the middle, and nulls.
#[test]
fn events_pass_in_their_own_form_and_order() {
    let events = [
        r#"{"type":"STATE_SNAPSHOT","snapshot":{"n":1.10,"empty":null}}"#,
        r#"{"type":"MESSAGES_SNAPSHOT","messages":[{"id":"1","role":"user","content":"x"}]}"#,
        r#"{"type":"TEXT_MESSAGE_START","timestamp":null,"messageId":"m1","role":"assistant"}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":"Hel"}"#,
        r#"{"type":"TOOL_CALL_START","toolCallId":"c1","toolCallName":"a","parentMessageId":null}"#,
        r#"{"type":"TOOL_CALL_START","toolCallId":"c2","toolCallName":"b","parentMessageId":"m1"}"#,
        r#"{"type":"TOOL_CALL_ARGS","toolCallId":"c1","delta":"{\"n\":"}"#,
        r#"{"type":"TOOL_CALL_ARGS","toolCallId":"c2","delta":"{}"}"#,
        r#"{"type":"TOOL_CALL_ARGS","toolCallId":"c1","delta":"1}"}"#,
        r#"{"type":"TOOL_CALL_END","toolCallId":"c1"}"#,
        r#"{"type":"TOOL_CALL_END","toolCallId":"c2"}"#,
        r#"{"type":"TOOL_CALL_RESULT","messageId":"r1","toolCallId":"c1","content":"ok","role":null}"#,
        r#"{"type":"STATE_DELTA","delta":[{"op":"add","path":"/n","value":null}]}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":"lo"}"#,
        r#"{"type":"TEXT_MESSAGE_END","messageId":"m1"}"#,
        r#"{"type":"CUSTOM","name":"MultiAgentHandoff","value":null}"#,
        r#"{"type":"STEP_STARTED","stepName":"s"}"#,
        r#"{"type":"STEP_FINISHED","stepName":"s"}"#,
    ];
    assert_eq!(
        between(&events),
        [
            r#"STATE_SNAPSHOT snapshot={"n":1.10,"empty":null}"#,
            r#"MESSAGES_SNAPSHOT messages=[{"id":"1","role":"user","content":"x"}]"#,
            r#"TEXT_MESSAGE_START messageId="m1" role="assistant""#,
            r#"TEXT_MESSAGE_CONTENT messageId="m1" +Hel"#,
            r#"TOOL_CALL_START toolCallId="c1" toolCallName="a""#,
            r#"TOOL_CALL_START toolCallId="c2" toolCallName="b" parentMessageId="m1""#,
            r#"TOOL_CALL_ARGS toolCallId="c1" +{"n":"#,
            r#"TOOL_CALL_ARGS toolCallId="c2" +{}"#,
            r#"TOOL_CALL_ARGS toolCallId="c1" +1}"#,
            r#"TOOL_CALL_END toolCallId="c1""#,
            r#"TOOL_CALL_END toolCallId="c2""#,
            r#"TOOL_CALL_RESULT messageId="r1" toolCallId="c1" content="ok""#,
            r#"STATE_DELTA delta=[{"op":"add","path":"/n","value":null}]"#,
            r#"TEXT_MESSAGE_CONTENT messageId="m1" +lo"#,
            r#"TEXT_MESSAGE_END messageId="m1""#,
            r#"CUSTOM name="MultiAgentHandoff" value=null"#,
            r#"STEP_STARTED stepName="s""#,
            r#"STEP_FINISHED stepName="s""#,
        ]
    );
}

#[test]
fn what_clients_can_not_read_passes_as_raw() {
    for event in [
        r#"{"type":"NEW_EVENT","n":1.10}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":7,"delta":"x"}"#,
        r#"{"type":"STATE_DELTA","delta":{}}"#,
        r#"{"type":"MESSAGES_SNAPSHOT"}"#,
        r#"{"type":"CUSTOM","name":"x"}"#,
        r#"{"type":"ACTIVITY_SNAPSHOT","messageId":"a","activityType":"x","content":"text"}"#,
        r#"{"data":"x","current_tool_use":{}}"#,
        "[1]",
        "7",
        "no json",
    ] {
        let said = between(&[event]);
        let [said] = said.try_into().unwrap();
        assert!(said.starts_with("raw "), "{event}: {said}");
    }
    assert_eq!(between(&["[DONE]", "", "  "]), Vec::<String>::new());
}

#[test]
fn what_an_agent_has_forgotten_to_begin_or_to_end_is_put_in() {
    let (events, failure) = said(&stream_of(&[
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":"x"}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":""}"#,
        r#"{"type":"TEXT_MESSAGE_START","messageId":"m1"}"#,
        r#"{"type":"TOOL_CALL_ARGS","toolCallId":"c1","delta":"{}"}"#,
        r#"{"type":"TOOL_CALL_END","toolCallId":"c1"}"#,
        r#"{"type":"STEP_STARTED","stepName":"s"}"#,
        FINISHED,
    ]));
    assert!(failure.is_none());
    assert_eq!(
        events,
        [
            r#"TEXT_MESSAGE_START messageId="m1" role="assistant""#,
            r#"TEXT_MESSAGE_CONTENT messageId="m1" +x"#,
            r#"STEP_STARTED stepName="s""#,
            r#"STEP_FINISHED stepName="s""#,
            r#"TEXT_MESSAGE_END messageId="m1""#,
            "end ",
        ]
    );
}

#[test]
fn spans_of_thought_and_runs_of_other_agents_begin_and_end_once() {
    let (events, failure) = said(&stream_of(&[
        r#"{"type":"REASONING_END","messageId":"r0"}"#,
        r#"{"type":"REASONING_START","messageId":"r1"}"#,
        r#"{"type":"REASONING_START","messageId":"r1"}"#,
        r#"{"type":"REASONING_MESSAGE_START","messageId":"r1"}"#,
        r#"{"type":"SUBAGENT_FINISHED","subagentRunId":"a0"}"#,
        r#"{"type":"SUBAGENT_STARTED","subagentRunId":"a1","name":"n"}"#,
        r#"{"type":"SUBAGENT_ERROR","subagentRunId":"a1","message":"no"}"#,
        r#"{"type":"SUBAGENT_STARTED","subagentRunId":"a1","name":"again"}"#,
        r#"{"type":"SUBAGENT_STARTED","subagentRunId":"a2","name":"n"}"#,
        r#"{"type":"STEP_STARTED","stepName":"s"}"#,
        r#"{"type":"STEP_STARTED","stepName":"s","subagentRunId":"a2"}"#,
        FINISHED,
    ]));
    assert!(failure.is_none());
    assert_eq!(
        events,
        [
            r#"REASONING_START messageId="r1""#,
            r#"REASONING_MESSAGE_START messageId="r1" role="reasoning""#,
            r#"SUBAGENT_STARTED subagentRunId="a1" name="n""#,
            r#"SUBAGENT_ERROR subagentRunId="a1" message="no""#,
            r#"SUBAGENT_STARTED subagentRunId="a2" name="n""#,
            r#"STEP_STARTED stepName="s""#,
            r#"STEP_STARTED stepName="s" subagentRunId="a2""#,
            r#"STEP_FINISHED stepName="s" subagentRunId="a2""#,
            r#"STEP_FINISHED stepName="s""#,
            r#"SUBAGENT_FINISHED subagentRunId="a2""#,
            r#"REASONING_MESSAGE_END messageId="r1""#,
            r#"REASONING_END messageId="r1""#,
            "end ",
        ]
    );
}

#[test]
fn what_comes_in_chunks_gets_a_beginning_and_an_end() {
    let events = [
        r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"m1","role":"assistant","delta":"a"}"#,
        r#"{"type":"RAW","event":1}"#,
        r#"{"type":"TEXT_MESSAGE_CHUNK","delta":"b"}"#,
        r#"{"type":"TOOL_CALL_CHUNK","toolCallId":"c1","toolCallName":"n","parentMessageId":"m1","delta":""}"#,
        r#"{"type":"TOOL_CALL_CHUNK","delta":"{}"}"#,
        r#"{"type":"REASONING_MESSAGE_CHUNK","messageId":"t1","delta":"hm"}"#,
        r#"{"type":"TOOL_CALL_CHUNK","delta":"of nothing"}"#,
        r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"m2","delta":"c"}"#,
        r#"{"type":"STATE_SNAPSHOT","snapshot":1}"#,
    ];
    assert_eq!(
        between(&events),
        [
            r#"TEXT_MESSAGE_START messageId="m1" role="assistant""#,
            r#"TEXT_MESSAGE_CONTENT messageId="m1" +a"#,
            "RAW event=1",
            r#"TEXT_MESSAGE_CONTENT messageId="m1" +b"#,
            r#"TEXT_MESSAGE_END messageId="m1""#,
            r#"TOOL_CALL_START toolCallId="c1" toolCallName="n" parentMessageId="m1""#,
            r#"TOOL_CALL_ARGS toolCallId="c1" +{}"#,
            r#"TOOL_CALL_END toolCallId="c1""#,
            r#"REASONING_MESSAGE_START messageId="t1" role="reasoning""#,
            r#"REASONING_MESSAGE_CONTENT messageId="t1" +hm"#,
            r#"REASONING_MESSAGE_END messageId="t1""#,
            r#"TEXT_MESSAGE_START messageId="m2" role="assistant""#,
            r#"TEXT_MESSAGE_CONTENT messageId="m2" +c"#,
            r#"TEXT_MESSAGE_END messageId="m2""#,
            "STATE_SNAPSHOT snapshot=1",
        ]
    );
}

#[test]
fn a_stream_inside_of_json_strings_is_unwrapped_once_and_other_strings_are_text() {
    let inner =
        format!("data: {}\n\n", r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"m","delta":"x"}"#);
    let wrapped = serde_json::to_string(&inner).unwrap();
    assert_eq!(
        between(&[&wrapped, r#""Hello ""#]),
        [
            r#"TEXT_MESSAGE_START messageId="m" role="assistant""#,
            r#"TEXT_MESSAGE_CONTENT messageId="m" +x"#,
            "text Hello ",
            r#"TEXT_MESSAGE_END messageId="m""#,
        ]
    );
}

#[test]
fn lines_may_end_in_any_way_and_characters_may_be_cut() {
    let text = stream_of(&[
        STARTED,
        r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"m","delta":"Grüße 🌦️"}"#,
        FINISHED,
    ]);
    let wanted = [
        r#"TEXT_MESSAGE_START messageId="m" role="assistant""#,
        r#"TEXT_MESSAGE_CONTENT messageId="m" +Grüße 🌦️"#,
        r#"TEXT_MESSAGE_END messageId="m""#,
        "end ",
    ];
    for text in [text.clone(), text.replace('\n', "\r\n"), format!(": ping\n\n{text}")] {
        let pieces = text.bytes().map(|byte| vec![byte]).collect();
        assert_eq!(said_in(pieces).0, wanted);
    }
    // Fields that nobody needs, data of several lines, and no blank line at the end.
    let odd = "event: message\nid: 7\ndata: {\"type\":\ndata: \"RUN_FINISHED\"}";
    assert_eq!(said(odd).0, ["end "]);
}

#[test]
fn the_end_keeps_what_the_agent_says_of_it_and_nothing_comes_after_it() {
    let end = r#"{"type":"RUN_FINISHED","outcome":{"type":"interrupt","interrupts":[{"id":"i","reason":"r"}]},"result":{"n":1},"usage":null}"#;
    let (events, failure) = said(&stream_of(&[end, r#"{"type":"CUSTOM","name":"x","value":1}"#]));
    assert!(failure.is_none());
    assert_eq!(events, ["end outcome result"]);
}

#[test]
fn how_an_agent_fails() {
    for (event, code, words) in [
        (
            r#"{"type":"RUN_ERROR","message":"I gave up.","code":"STRANDS_ERROR"}"#,
            ErrorCode::DependencyFailed,
            "I gave up.",
        ),
        (
            r#"{"type":"RUN_ERROR","message":"","code":null}"#,
            ErrorCode::DependencyFailed,
            "runtime depends on failed",
        ),
        (
            r#"{"type":"RUN_ERROR","message":"slow down","code":"RATE_LIMIT_EXCEEDED"}"#,
            ErrorCode::Throttling,
            "slow down",
        ),
        (
            r#"{"error":"division by zero","error_type":"ValueError","message":"An error occurred during streaming"}"#,
            ErrorCode::DependencyFailed,
            "A Lambda",
        ),
    ] {
        let (events, failure) = said(&stream_of(&[STARTED, r#""so far""#, event]));
        assert_eq!(events, ["text so far"]);
        let failure = failure.unwrap();
        assert_eq!(failure.code, code, "{event}");
        let is_shown = failure.message.contains(words);
        assert!(is_shown || words == "A Lambda", "{event}: {}", failure.message);
        assert!(!failure.message.contains("division"), "{}", failure.message);
    }
    let (_, failure) = said(&stream_of(&[STARTED]));
    assert_eq!(failure.unwrap().code, ErrorCode::ConnectionLost);
    assert_eq!(said("").1.unwrap().code, ErrorCode::ConnectionLost);
}

proptest! {
    /// Whatever an agent sends, what goes on has its beginnings and ends.
    #[test]
    fn what_goes_on_is_what_clients_verify(
        events in prop::collection::vec((0_usize..19, 0_usize..3), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let kinds = [
            "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "TOOL_CALL_START",
            "TOOL_CALL_ARGS", "TOOL_CALL_END", "STEP_STARTED", "STEP_FINISHED",
            "TEXT_MESSAGE_CHUNK", "TOOL_CALL_CHUNK", "REASONING_START", "REASONING_END",
            "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_END",
            "REASONING_MESSAGE_CHUNK", "SUBAGENT_STARTED", "SUBAGENT_FINISHED", "SUBAGENT_ERROR",
        ];
        let event = |(kind, id): &(usize, usize)| {
            format!(
                r#"{{"type":"{}","messageId":"{id}","toolCallId":"{id}","toolCallName":"n","stepName":"{id}","subagentRunId":"{id}","name":"n","message":"m","delta":"d"}}"#,
                kinds[*kind]
            )
        };
        let mut all: Vec<String> = events.iter().map(event).collect();
        all.push(FINISHED.to_owned());
        let text = stream_of(&all.iter().map(String::as_str).collect::<Vec<_>>()).into_bytes();
        let (head, tail) = text.split_at(cut.index(text.len()));
        let (said, failure) = said_in(vec![head.to_vec(), tail.to_vec()]);
        prop_assert!(failure.is_none());
        let (mut open, mut over) = (Vec::<String>::new(), Vec::new());
        for said in &said {
            let Some((kind, rest)) = said.split_once(' ') else { continue };
            let id = rest.split(['"']).nth(1).unwrap_or_default();
            let Some((of, phase)) = kind.rsplit_once('_') else { continue };
            let part = format!("{of} {id}");
            if phase.starts_with("START") {
                prop_assert!(!open.contains(&part) && !over.contains(&part));
                open.push(part);
            } else if matches!(phase, "END" | "FINISHED" | "ERROR") {
                let position = open.iter().position(|open| *open == part);
                prop_assert!(position.is_some());
                let part = open.remove(position.unwrap());
                if of == "SUBAGENT" {
                    over.push(part);
                }
            } else if matches!(phase, "CONTENT" | "ARGS") {
                prop_assert!(open.contains(&part));
            }
        }
        prop_assert!(open.is_empty(), "{:?}", said);
    }
}

#[test]
fn bytes_that_are_no_text_cost_only_themselves() {
    let before = stream_of(&[STARTED]);
    let broken: [&[u8]; 3] = [
        b"data: {\"type\":\"TEXT_MESSAGE_CHUNK\",\"messageId\":\"m\",\"delta\":\"x\xff",
        b"\xe2\x82",
        b"\xacy\"}\n\n",
    ];
    let pieces = [before.as_bytes(), broken[0], broken[1], broken[2], FINISHED_DATA.as_bytes()];
    let (said, failure) = said_in(pieces.map(<[u8]>::to_vec).into());
    assert!(failure.is_none(), "{failure:?}");
    assert!(said[1].ends_with("+x\u{fffd}\u{20ac}y"), "{said:?}");
    assert_eq!(said.last().unwrap(), "end ");
}

const FINISHED_DATA: &str = "data: {\"type\":\"RUN_FINISHED\"}\n\n";

#[test]
fn calls_whose_chunks_come_in_turns_stay_whole() {
    let chunk = |id: &str, name: &str, delta: &str| {
        let name =
            if name.is_empty() { String::new() } else { format!("\"toolCallName\":\"{name}\",") };
        format!(r#"{{"type":"TOOL_CALL_CHUNK","toolCallId":"{id}",{name}"delta":"{delta}"}}"#)
    };
    let events = [
        STARTED.to_owned(),
        chunk("a", "look", "1"),
        chunk("b", "look", "2"),
        chunk("a", "", "3"),
        chunk("b", "", "4"),
        r#"{"type":"TEXT_MESSAGE_CHUNK","messageId":"m","delta":"x"}"#.to_owned(),
        FINISHED.to_owned(),
    ];
    let (said, failure) = said(&stream_of(&events.each_ref().map(|event| &**event)));
    assert!(failure.is_none(), "{failure:?}");
    let of =
        |kind: &str| said.iter().filter(|line| line.starts_with(kind)).cloned().collect::<Vec<_>>();
    let id = |id: &str| format!(" toolCallId=\"{id}\"");
    let arguments = ["a", "b", "a", "b"].iter().zip(1..);
    let arguments: Vec<String> =
        arguments.map(|(call, delta)| format!("TOOL_CALL_ARGS{} +{delta}", id(call))).collect();
    assert_eq!(of("TOOL_CALL_ARGS"), arguments);
    assert_eq!(of("TOOL_CALL_END"), ["a", "b"].map(|call| format!("TOOL_CALL_END{}", id(call))));
    let position = |kind: &str| said.iter().position(|line| line.starts_with(kind)).unwrap();
    assert!(position("TOOL_CALL_END") < position("TEXT_MESSAGE_START"), "{said:?}");
}

/// A chunk of what the agent has begun does not end it.
#[test]
fn a_chunk_may_stand_among_the_pieces_of_a_call() {
    let (said, failure) = said(&stream_of(&[
        STARTED,
        r#"{"type":"TOOL_CALL_START","toolCallId":"a","toolCallName":"look"}"#,
        r#"{"type":"TOOL_CALL_CHUNK","toolCallId":"a","delta":"1"}"#,
        r#"{"type":"STATE_SNAPSHOT","snapshot":1}"#,
        r#"{"type":"TOOL_CALL_ARGS","toolCallId":"a","delta":"2"}"#,
        r#"{"type":"TOOL_CALL_END","toolCallId":"a"}"#,
        FINISHED,
    ]));
    assert!(failure.is_none(), "{failure:?}");
    let pieces: Vec<&str> = said.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let expected = [
        "TOOL_CALL_START",
        "TOOL_CALL_ARGS",
        "STATE_SNAPSHOT",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "end",
    ];
    assert_eq!(pieces, expected);
}

#[test]
fn what_has_no_id_gets_one_of_its_own_in_each_run() {
    let chunk = r#"{"type":"TEXT_MESSAGE_CHUNK","delta":"x"}"#;
    let thought = r#"{"type":"REASONING_MESSAGE_CHUNK","delta":"y"}"#;
    let stream = stream_of(&[STARTED, chunk, chunk, thought, chunk, FINISHED]);
    let ids_in = |seed: &str| {
        let body = SdkBody::from(stream.clone());
        let answer = Box::new(EventStream::new(body, seed.to_owned()));
        let events = stream::try_unfold(answer, EventStream::next).collect::<Vec<_>>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let mut ids: Vec<String> = Vec::new();
        for event in runtime.unwrap().block_on(events) {
            if let Event::Agui(event) = event.unwrap() {
                ids.extend(event.text("messageId").filter(|_| event.kind.ends_with("_START")));
            }
        }
        ids
    };
    let ids = [ids_in("run-1"), ids_in("run-2")].concat();
    let different: std::collections::HashSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), different.len()), (6, 6), "{ids:?}");
}

#[test]
fn a_piece_without_a_beginning_gets_one_of_the_same_agent() {
    let (said, failure) = said(&stream_of(&[
        STARTED,
        r#"{"type":"SUBAGENT_STARTED","subagentRunId":"q","name":"other"}"#,
        r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"x","subagentRunId":"q"}"#,
        FINISHED,
    ]));
    assert!(failure.is_none(), "{failure:?}");
    assert!(
        said[1].starts_with("TEXT_MESSAGE_START") && said[1].contains(r#"subagentRunId="q""#),
        "{said:?}"
    );
}

#[test]
fn an_object_that_says_there_was_no_error_is_none() {
    for object in
        [r#"{"error":false,"status":"ok"}"#, r#"{"error":"","status":"ok"}"#, r#"{"error":null}"#]
    {
        let (said, failure) = said(&stream_of(&[STARTED, object, FINISHED]));
        assert!(failure.is_none(), "{object}: {failure:?}");
        assert_eq!(said, [format!("raw event {object}"), "end ".to_owned()]);
    }
}

/// As JavaScript cuts them.
#[test]
fn a_character_that_is_cut_in_two_is_put_together() {
    let piece = |id: &str, delta: &str| {
        format!(r#"{{"type":"TEXT_MESSAGE_CONTENT","messageId":"{id}","delta":"{delta}"}}"#)
    };
    let texts = |pieces: &[(&str, &str)]| {
        let pieces: Vec<String> = pieces.iter().map(|(id, delta)| piece(id, delta)).collect();
        let mut events = vec![STARTED];
        events.extend(pieces.iter().map(|event| &**event));
        events.push(FINISHED);
        let (said, failure) = said(&stream_of(&events));
        assert!(failure.is_none(), "{failure:?}");
        let text = |line: &String| line.split_once(" +").map(|(_, text)| text.to_owned());
        said.iter().filter_map(text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&[("m", r"a\ud83d"), ("m", r"\ude00b")]), ["a", "\u{1f600}b"]);
    assert_eq!(
        texts(&[("m", r"\ud83d"), ("m", r"\ude00\uD83D"), ("m", r"\uDE01")]),
        ["\u{1f600}", "\u{1f601}"]
    );
    // What is no half, or of another text, is left as it is.
    assert_eq!(texts(&[("m", r"a\\ud83d"), ("m", "b")]), [r"a\ud83d", "b"]);
    assert_eq!(texts(&[("m", r"a\ud83d"), ("n", r"\ude00b")]), ["a", "\u{fffd}b"]);
    assert_eq!(texts(&[("m", r"a\ude00"), ("m", "b")]), ["a\u{fffd}", "b"]);
}

#[test]
fn a_stream_inside_of_strings_may_have_other_lines_than_data() {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let chunk = r#"{"type":"TEXT_MESSAGE_CONTENT",
data: "messageId":"m","delta":"x"}"#;
    let events = [
        quoted(": ping\n\n"),
        quoted(&format!("event: message\nid: 1\ndata: {chunk}\n\n")),
        quoted(&format!("data: {FINISHED}\n\n")),
    ];
    let (said, failure) = said(&stream_of(&events.each_ref().map(|event| &**event)));
    assert!(failure.is_none(), "{failure:?}");
    let pieces: Vec<&str> = said.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(pieces, ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "end"]);
}

#[test]
fn words_that_only_look_like_a_stream_are_text() {
    for words in ["data: is a word", ": so it is", "note: a\nb"] {
        let event = serde_json::to_string(words).unwrap();
        let (said, _) = said(&stream_of(&[STARTED, &event, FINISHED]));
        let is_text = said[0] == format!("text {words}");
        assert_eq!(is_text, words != "data: is a word", "{words}: {said:?}");
    }
}

#[test]
fn an_agent_in_one_that_never_began_is_one_by_itself() {
    let (said, failure) = said(&stream_of(&[
        STARTED,
        r#"{"type":"SUBAGENT_STARTED","subagentRunId":"q","name":"other","parentSubagentRunId":"none"}"#,
        r#"{"type":"SUBAGENT_STARTED","subagentRunId":"p","name":"other","parentSubagentRunId":"q"}"#,
        FINISHED,
    ]));
    assert!(failure.is_none(), "{failure:?}");
    let parents: Vec<bool> = said.iter().map(|line| line.contains("parentSubagentRunId")).collect();
    assert_eq!(parents[..2], [false, true]);
}
