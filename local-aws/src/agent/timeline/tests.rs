//! Tests of the reader of timelines.

use std::time::SystemTime;

use super::*;
use crate::agent::address::Address;
use crate::agent::turn_context::TurnContext;

fn read(text: &str) -> Result<Vec<Script>, TimelineError> {
    let address = Address::example("session");
    let now = SystemTime::UNIX_EPOCH;
    let turn = TurnContext {
        address: &address,
        prompt: "a \"prompt\"",
        id: "id",
        number: 7,
        traced: true,
        now,
        files: &[],
    };
    parse(text, &turn.placeholders())
}

fn steps(text: &str) -> Vec<Step> {
    let mut turns = read(text).unwrap();
    assert_eq!(turns.len(), 1);
    turns.remove(0).steps
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

#[test]
fn each_kind_of_line_is_its_step() {
    let wait = |milliseconds| Step::Wait(Duration::from_millis(milliseconds));
    let frame = |headers: &[(&str, &str)], payload: &'static str| Step::Frame {
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        payload: payload.into(),
    };
    let event = |event_type, payload| {
        let content_type = (":content-type", "application/json");
        frame(&[(":event-type", event_type), (":message-type", "event"), content_type], payload)
    };
    let exception = Exception::Throttling;
    let message = "slow down".to_owned();
    let citations = vec![json(r#"{"score":0.10}"#)];
    let part = BTreeMap::from([("agentId".to_owned(), json(r#""A""#))]);
    let cases: Vec<(&str, Vec<Step>)> = vec![
        (r#"{"chunk":"a","after_ms":40}"#, vec![wait(40), Step::text("a")]),
        (r#"{"after_ms":0,"chunk":"a"}"#, vec![wait(0), Step::text("a")]),
        (
            r#"{"chunk":"a","citations":[{"score":0.10}]}"#,
            vec![Step::Chunk { bytes: "a".into(), citations }],
        ),
        (r#"{"chunk_base64":"w7w="}"#, vec![Step::text("ü")]),
        (
            r#"{"say":"one two three, four","every_ms":9}"#,
            vec![wait(9), Step::text("one two three, four")],
        ),
        (
            r#"{"trace":{"a":1.50},"part":{"agentId":"A"}}"#,
            vec![Step::Trace { trace: json(r#"{"a":1.50}"#), part }],
        ),
        (r#"{"files":[{"a":1.50}]}"#, vec![event("files", r#"{"files":[{"a":1.50}]}"#)]),
        (r#"{"event":{"type":"new","payload":{"a":1e999}}}"#, vec![event("new", r#"{"a":1e999}"#)]),
        (
            r#"{"event":{"headers":{":x":"y"},"payload_base64":"YQ=="}}"#,
            vec![frame(&[(":x", "y")], "a")],
        ),
        (r#"{"exception":"throttlingException"}"#, vec![Step::Exception(exception.into())]),
        (
            r#"{"exception":"throttling","message":"slow down"}"#,
            vec![Step::Exception(Refusal { exception, message })],
        ),
        (r#"{"break":"cut"}"#, vec![Step::Cut]),
        (r#"{"break":"corrupt"}"#, vec![Step::Corrupt]),
        (
            r#"{"chunk":"${turn} ${prompt} ${session_id} ${time+1500}"}"#,
            vec![Step::text("7 a \"prompt\" session 1970-01-01T00:00:01.5Z")],
        ),
        (r#"{"chunk":"\u0024{turn} $turn {turn}"}"#, vec![Step::text("${turn} $turn {turn}")]),
        (
            "{\"chunk\":\"a\"}\r\n\n{\"chunk\":\"${said}b\"}\n",
            vec![Step::text("a"), Step::text("ab")],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(steps(text), expected, "{text}");
    }
    let asked = r#"{"returnControl":{"invocationId":"i","invocationInputs":[{"apiInvocationInput":{"actionGroup":"g","httpMethod":"GET","apiPath":"/p"}}]}}"#;
    let [Step::ReturnControl(asked)] = &steps(asked)[..] else { panic!("no return of control") };
    assert_eq!((&*asked.invocation_id, &*asked.calls[0].name()), ("i", "g GET /p"));
}

#[test]
fn turns_are_separated_by_their_numbers() {
    let text =
        "{\"turn\":1}\n{\"chunk\":\"a\"}\n{\"turn\":2}\n{\"turn\":3}\n{\"chunk\":\"${said}c\"}\n";
    let turns: Vec<Vec<Step>> = read(text).unwrap().into_iter().map(|turn| turn.steps).collect();
    assert_eq!(turns, [vec![Step::text("a")], vec![], vec![Step::text("c")]]);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_without_its_text() {
    let cases = [
        ("", "line 1: there is no event"),
        ("\n\n", "line 1: there is no event"),
        ("SECRET", "line 1: it is not JSON, from column 1 on"),
        ("{\"chunk\":\"a\"}\n\n{\"chunk\":\"SECRET", "line 3: it is not JSON, from column 16 on"),
        ("[\"SECRET\"]", "line 1: it is not a JSON object"),
        ("\"SECRET\"", "line 1: it is not a JSON object"),
        (r#"{"SECRET":"SECRET"}"#, "line 1: it has no event; a line needs one of `chunk`"),
        (r#"{"after_ms":1}"#, "line 1: it has no event"),
        (r#"{"chunk":"SECRET","SECRET":1}"#, "line 1: it has a member that does not belong"),
        (r#"{"chunk":"SECRET","trace":{}}"#, "line 1: it has a member that does not belong"),
        (r#"{"turn":1,"chunk":"SECRET"}"#, "line 1: it has a member that does not belong"),
        (r#"{"chunk":7}"#, "line 1: `chunk` must be a string"),
        (r#"{"chunk":null}"#, "line 1: `chunk` must be a string"),
        (r#"{"chunk":"\ud800SECRET"}"#, "line 1: `chunk` must be a string"),
        (r#"{"chunk_base64":"SECRET!"}"#, "line 1: `chunk_base64` must be base64"),
        (r#"{"chunk":"a","citations":{"SECRET":1}}"#, "line 1: `citations` must be a list"),
        (r#"{"chunk":"a","after_ms":-1}"#, "line 1: `after_ms` must be a whole number"),
        (r#"{"chunk":"a","after_ms":"SECRET"}"#, "line 1: `after_ms` must be a whole number"),
        (r#"{"chunk":"a","after_ms":840001}"#, "line 1: `after_ms` must be a whole number"),
        (r#"{"say":"a","every_ms":1.5}"#, "line 1: `every_ms` must be a whole number"),
        (r#"{"say":"a","cite":[{"text":"SECRET","references":[]}]}"#, "sentences of the text"),
        (r#"{"say":"a","cite":[{"text":"a"}]}"#, "line 1: `cite` must be a list of objects"),
        (r#"{"trace":1,"part":"SECRET"}"#, "line 1: `part` must be an object"),
        (r#"{"returnControl":{"SECRET":1}}"#, "line 1: `returnControl` must be a payload"),
        (r#"{"files":"SECRET"}"#, "line 1: `files` must be a list"),
        (r#"{"event":{"SECRET":1}}"#, "line 1: `event` must be an object"),
        (r#"{"event":{"type":"SECRET"}}"#, "line 1: `event` must be an object"),
        (r#"{"event":{"payload":"SECRET"}}"#, "line 1: `event` must be an object"),
        (r#"{"event":{"headers":{"":"a"},"payload":1}}"#, "line 1: `event` has a header"),
        (r#"{"exception":"SECRET"}"#, "line 1: `exception` must be one of Bedrock's"),
        (r#"{"break":"SECRET"}"#, "line 1: `break` must be `cut` or `corrupt`"),
        (r#"{"chunk":"${SECRET}"}"#, "line 1: it has a placeholder that does not exist"),
        (r#"{"chunk":"${time+SECRET}"}"#, "line 1: it has a placeholder that does not exist"),
        (r#"{"chunk":"${SECRET"}"#, "line 1: it has a placeholder that does not exist"),
        (
            "{\"break\":\"cut\"}\n{\"chunk\":\"a\"}",
            "line 2: the turn has ended with the line before",
        ),
        ("{\"chunk\":\"a\"}\n{\"turn\":1}", "line 2: the first `turn` must come before"),
        (r#"{"turn":2}"#, "line 1: `turn` must count the turns from 1"),
        (r#"{"turn":"SECRET"}"#, "line 1: `turn` must be the number of a turn"),
        ("{\"turn\":1}\n{\"turn\":3}", "line 2: `turn` must count the turns from 1"),
    ];
    for (text, expected) in cases {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("SECRET"), "{text}: {message}");
    }
}

/// A file of any kind gives an error or scripts, and no panic. The same seed each time.
#[test]
fn any_text_is_read_or_refused() {
    let parts = [
        "{\"chunk\":\"a\"}",
        "\n",
        "{",
        "}",
        "\"",
        "\\",
        "${",
        "${turn}",
        "${time+",
        "9999999999",
        "\"after_ms\":",
        "1",
        "-1",
        "1e999",
        "null",
        "[",
        "]",
        ",",
        ":",
        "\"say\"",
        "\"turn\":1",
        "ü",
        "\u{0}",
        "\r\n",
        "{\"turn\":1}\n",
        "\"event\":{\"type\":\"x\",\"payload\":",
        "\"break\":\"cut\"",
        "🎬",
    ];
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let length = random.usize(0..12);
        let text: String = (0..length).map(|_| parts[random.usize(0..parts.len())]).collect();
        let _ = read(&text);
    }
}
