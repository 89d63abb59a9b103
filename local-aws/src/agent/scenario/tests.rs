//! Tests of the scenarios.

use super::*;

fn script(prompt: &str) -> Script {
    play(&Turn { prompt, id: "turn", number: 1, traced: true, now: SystemTime::UNIX_EPOCH })
}

fn text(script: &Script) -> String {
    let mut text = Vec::new();
    for step in &script.steps {
        if let Step::Chunk { bytes, .. } = step {
            text.extend_from_slice(bytes);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn chunks(script: &Script) -> usize {
    script.steps.iter().filter(|step| matches!(step, Step::Chunk { .. })).count()
}

fn duration(script: &Script) -> Duration {
    let waits = script.steps.iter().filter_map(|step| match step {
        Step::Wait(duration) => Some(*duration),
        _ => None,
    });
    waits.sum()
}

#[test]
fn tokens_come_in_that_number_and_at_that_rate() {
    let script = script("/tokens 100 50");
    assert_eq!(chunks(&script), 100);
    assert_eq!(duration(&script), Duration::from_secs(2));
    let expected: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    assert_eq!(text(&script).split_whitespace().collect::<Vec<_>>(), expected);
}

#[test]
fn tokens_come_at_once_and_with_traces_when_asked() {
    let script = script("/tokens 100 0 30");
    assert_eq!(chunks(&script), 100);
    assert_eq!(duration(&script), Duration::ZERO);
    let position = |wanted: fn(&Step) -> bool| script.steps.iter().position(wanted);
    assert_eq!(position(|step| matches!(step, Step::Trace(_))), Some(9), "before the tenth");
    let sizes = script.steps.iter().filter_map(|step| match step {
        Step::Trace(trace) => Some(trace.to_string().len() / 1024),
        _ => None,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [30; 10]);
}

#[test]
fn slow_is_silent_first() {
    let script = script("/slow 40");
    assert_eq!(script.steps[0], Step::Wait(Duration::from_secs(40)));
    assert!(chunks(&script) > 1);
}

#[test]
fn emoji_come_byte_by_byte() {
    let script = script("/emoji");
    assert_eq!(chunks(&script), MULTI_BYTE.len());
    assert_eq!(text(&script), MULTI_BYTE);
}

#[test]
fn a_single_answer_is_the_streamed_one_in_one_chunk() {
    let single = script("/single");
    assert_eq!(chunks(&single), 1);
    let streamed = answer::streamed(&Turn {
        prompt: "/single",
        id: "turn",
        number: 1,
        traced: true,
        now: SystemTime::UNIX_EPOCH,
    });
    assert_eq!(text(&single), text(&streamed));
}

#[test]
fn a_trace_has_the_size_that_was_asked_for() {
    for kib in [1, 100, 1000] {
        let script = script(&format!("/trace {kib}"));
        let sizes = script.steps.iter().filter_map(|step| match step {
            Step::Trace(trace) => Some(trace.to_string().len()),
            _ => None,
        });
        let sizes: Vec<usize> = sizes.collect();
        assert_eq!(sizes.len(), 1);
        assert!((kib * 1024..kib * 1024 * 51 / 50 + 512).contains(&sizes[0]), "{sizes:?}");
    }
}

#[test]
fn each_exception_comes_at_once_or_after_chunks() {
    for exception in Exception::ALL {
        let at_once = script(&format!("/error {}", exception.member()));
        assert_eq!(at_once.refusal().map(|(first, _)| first), Some(exception));
        for after in [0, 3] {
            let later = script(&format!("/error {} {after}", exception.member()));
            assert_eq!((later.refusal(), chunks(&later)), (None, after));
            assert_eq!(later.steps.last(), Some(&Step::Exception(exception)));
        }
    }
}

#[test]
fn what_cannot_be_understood_is_answered_with_the_reason_and_the_list() {
    let cases = [
        ("/tokens", "a number of chunks"),
        ("/tokens x 5", "N must be a number from 1 to 100000, not `x`"),
        ("/tokens 5 0.01", "R must be a number from 0.1 to 10000, not `0.01`"),
        ("/tokens 5 5 0", "KB must be a number from 1 to 100"),
        ("/tokens 5 NaN", "not `NaN`"),
        ("/tokens 100000 1", "840 seconds"),
        ("/slow", "a number of seconds"),
        ("/slow 1e9", "from 0 to 840"),
        ("/slow -1", "from 0 to 840"),
        ("/emoji now", "nothing after it, not `now`"),
        ("/trace 0", "from 1 to 8192"),
        ("/error", "the name of an exception"),
        ("/error teapot", "no exception `teapot`"),
        ("/error throttling many", "N must be a number"),
        ("/pause 5", "a number of chunks and of seconds"),
        ("/pause 5 -1", "S must be a number from 0 to 840"),
        ("/cut", "`/cut N` wants a number of chunks"),
        ("/corrupt x", "N must be a number"),
        ("/tool 6", "a number of calls from 1 to 5"),
        ("/tool 0", "a number of calls from 1 to 5"),
        ("/confirm twice", "`api`, or `result`"),
        ("/file 9", "MB must be a number from 1 to 8"),
        ("/file 1 2", "a size in megabytes"),
        ("/guardrail off", "nothing after it"),
        ("/team of two", "nothing after it"),
        ("/teapot", "no scenario `/teapot`"),
    ];
    for (prompt, reason) in cases {
        let text = text(&script(prompt));
        assert!(text.contains(reason), "{prompt}: {text}");
        assert!(text.contains("| `/slow S` |"), "{prompt}: {text}");
    }
    assert!(text(&script("/error teapot")).contains("`modelNotReadyException`"));
}

#[test]
fn help_lists_every_scenario() {
    let text = text(&script("/help"));
    for (usage, what) in SCENARIOS {
        assert!(text.contains(usage) && text.contains(what), "{usage}");
    }
}
