use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn input() -> Input {
    let input = json!({
        "threadId": "t", "runId": "r", "state": {"n": 1}, "tools": [], "context": [],
        "forwardedProps": {}, "messages": [{"id": "1", "role": "user", "content": "x"}],
    });
    Input::read(input.to_string().as_bytes()).unwrap()
}

fn of(prompt: &str) -> Script {
    let input = input();
    let turn = TurnContext {
        input: &input,
        runtime_arn: "arn",
        session_id: "session",
        prompt,
        id: ID,
        number: 1,
    };
    let parsed = prompt::parse(prompt).unwrap();
    script(&turn, parsed.as_ref()).with_snapshots_of(&input)
}

/// The bytes of a script, without its silence.
fn bytes(script: &Script) -> Vec<Vec<u8>> {
    let framing = script.framing;
    let of = |step: &Step| match step {
        Step::Event(event) => framing.event(event),
        Step::Data(text) => framing.bytes(text),
        _ => Vec::new(),
    };
    script.steps.iter().flat_map(of).map(Vec::from).collect()
}

#[test]
fn every_scenario_has_a_script() {
    for prompt in [
        "anything",
        "/tokens 3 0",
        "/slow 1",
        "/pause 2 1",
        "/emoji",
        "/single",
        "/think",
        "/strands",
        "/steps",
        "/trace 1",
        "/snapshot 1",
        "/tool 3",
        "/interrupt",
        "/error SESSION_BUSY",
        "/error throttlingException 3",
        "/cut 3",
        "/help",
    ] {
        assert!(!of(prompt).steps.is_empty(), "{prompt}");
    }
    for oddity in [
        "unknown", "nulls", "crlf", "comments", "quoted", "chunks", "unopened", "words", "failure",
        "gaveup", "unended", "empty", "json",
    ] {
        assert!(!of(&format!("/odd {oddity}")).steps.is_empty(), "{oddity}");
    }
}

#[test]
fn characters_are_cut_and_lines_end_in_two_ways() {
    let pieces = bytes(&of("/emoji"));
    assert!(pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()));
    let crlf = String::from_utf8(bytes(&of("/odd crlf")).concat()).unwrap();
    assert!(crlf.contains("\r\n\r\n") && !crlf.replace("\r\n", "").contains('\n'));
    let quoted = String::from_utf8(bytes(&of("/odd quoted")).concat()).unwrap();
    assert!(quoted.starts_with(r#"data: "data: {\"type\":\"RUN_STARTED\""#), "{quoted}");
}

#[test]
fn strands_sends_four_snapshots_of_all_messages() {
    let text = String::from_utf8(bytes(&of("/strands")).concat()).unwrap();
    let snapshots: Vec<&str> =
        text.lines().filter(|line| line.contains("MESSAGES_SNAPSHOT")).collect();
    assert_eq!(snapshots.len(), 4);
    assert!(snapshots.iter().all(|line| line.contains(r#""id":"1""#)));
}
