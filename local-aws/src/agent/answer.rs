//! The answer to any prompt that is no scenario: Markdown, with traces and citations.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::scenario::{Turn, help};
use super::script::{Script, Step};
use super::trace::{ModelCall, Traces};

/// The lengths of the pieces in characters, and the pauses before them in milliseconds, over and
/// over: models do not speak in lockstep.
const RHYTHM: [(usize, u64); 8] =
    [(16, 35), (30, 60), (12, 25), (36, 70), (22, 40), (28, 55), (14, 30), (40, 80)];

/// What the knowledge base of the agent holds: an address and a text for each document.
const DOCUMENTS: [(&str, &str); 2] = [
    (
        "s3://relay-handbook/gateway/limits.md",
        "API Gateway ends every integration of a WebSocket API after 29 seconds. The limit cannot \
         be raised.",
    ),
    (
        "s3://relay-handbook/function/after-the-response.md",
        "A custom runtime may go on working after it has posted its response, until it asks for \
         the next event.",
    ),
];

/// What the answers are about. Each says one sentence for each document, in their order.
const TOPICS: [Topic; 3] = [
    Topic {
        title: "How this answer reaches you",
        body: "Your message took a *short* trip, and this text takes a long one:

1. **API Gateway** gave your message to the function. It waits 29 seconds for an answer and no \
longer.
2. **The function** answered within milliseconds. It goes on working after its response, until \
the agent has finished.
3. **Every chunk** of the agent's stream travels to you the moment it arrives, in order.

| Limit of the gateway | Value | What the relay does |
|---|---:|---|
| Integration time-out | 29 s | answers at once, works afterwards |
| Frame | 32 KiB | cuts long text at character boundaries |
| Idle connection | 10 min | sends a sign of life every 30 s |

You can watch it from a script, too:

```json
{\"prompt\": \"/tokens 200 50\", \"trace\": true}
```

The limits stand in the [guide of API Gateway]\
(https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html). \
Type `/help` for everything that this *scripted* agent can do.
",
        claims: [
            "It waits 29 seconds for an answer and no longer.",
            "It goes on working after its response, until the agent has finished.",
        ],
    },
    Topic {
        title: "Things worth trying",
        body: "This agent is *scripted*: the prompt picks the scenario.

SCENARIOS

- `/slow 40` is the reason for all this: the gateway gives up after 29 seconds, yet the whole \
answer arrives.
- `/emoji` cuts every character in **pieces**. The function keeps streaming long after it has \
responded, and puts them together again.

With an account, the same page talks to a real agent:

```sh
cargo run -- --agent-id ABCDEFGHIJ --agent-alias-id KLMNOPQRST
```

More about agents in the [guide of Amazon Bedrock]\
(https://docs.aws.amazon.com/bedrock/latest/userguide/agents.html).
",
        claims: [
            "the gateway gives up after 29 seconds, yet the whole answer arrives.",
            "The function keeps streaming long after it has responded",
        ],
    },
    Topic {
        title: "What a turn is made of",
        body: "A turn is *one* run of the agent, and a run is a list of frames:

- `RUN_STARTED`, posted while the agent still thinks
- `TEXT_MESSAGE_CHUNK`, again and again
  - text first, then the citations that belong to it
  - characters of any language, whole: Zürich, 東京, 🎬
- `RUN_FINISHED`, exactly once

No frame waits for the end, because a single integration must end after 29 seconds. That works \
because the function may go on after its response.

| Frame | How many | When |
|---|---:|---|
| `RUN_STARTED` | 1 | at once |
| `TEXT_MESSAGE_CHUNK` | many | as the agent speaks |
| `RUN_FINISHED` | 1 | at the end |

In a browser, that is all it takes:

```js
const socket = new WebSocket(endpoint);
socket.onmessage = ({ data }) => show(JSON.parse(data));
```

The frames are **events of** [AG-UI](https://docs.ag-ui.com), so its clients understand them.
",
        claims: [
            "because a single integration must end after 29 seconds.",
            "That works because the function may go on after its response.",
        ],
    },
];

struct Topic {
    title: &'static str,
    body: &'static str,
    claims: [&'static str; 2],
}

/// The answer in small chunks, at the pace of a model.
pub(super) fn streamed(turn: &Turn<'_>) -> Script {
    let answer = Answer::new(turn);
    let mut scene = Scene::new(turn);
    scene.pre_process("The prompt is harmless, and this agent can answer it.", 180);
    scene.think("<thinking>I greet the user, then I look up how the relay works.</thinking>", 260);
    scene.say(&answer, 0, answer.opening);
    scene.rationale("To explain the relay I need the notes about its limits.");
    scene.look_up("How long may an integration take, and what happens afterwards?", 240);
    scene.think("<thinking>The notes name a time-out. I check its value.</thinking>", 200);
    scene.rationale("The notes name a time-out. I check its exact value before I state it.");
    scene.act(150);
    let began = scene.elapsed;
    scene.say(&answer, answer.opening, answer.text.len());
    scene.finish(&answer.text, began);
    scene.script
}

/// The same answer as of an agent that does not stream: one chunk, when everything is said.
pub(super) fn whole(turn: &Turn<'_>) -> Script {
    streamed(turn).in_one_chunk()
}

/// Cuts a text into small pieces at white space.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    for word in text.split_inclusive(char::is_whitespace) {
        end += word.len();
        let (length, _) = RHYTHM[pieces.len() % RHYTHM.len()];
        if end - start >= length {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    if start < end {
        pieces.push(&text[start..]);
    }
    pieces
}

/// The steps that speak a short text, at a pace that is pleasant to read.
pub(super) fn spoken(text: &str) -> Vec<Step> {
    let speak = |piece: &str| {
        let bytes = Bytes::copy_from_slice(piece.as_bytes());
        [Step::Wait(Duration::from_millis(25)), Step::Chunk { bytes, citations: Vec::new() }]
    };
    pieces(text).into_iter().flat_map(speak).collect()
}

/// The text of an answer.
struct Answer {
    text: String,
    /// Where the opening ends, which comes before the lookups.
    opening: usize,
    /// The sentences that rest on documents: where each ends in the text, and its citation.
    citations: Vec<(usize, Value)>,
}

impl Answer {
    fn new(turn: &Turn<'_>) -> Self {
        let Topic { title, body, claims } = &TOPICS[(turn.number as usize + 2) % TOPICS.len()];
        let opening = format!(
            "## {title}\n\nYou wrote “{}”. This is turn {} of this conversation.\n\n",
            quote(turn.prompt),
            turn.number,
        );
        let text = format!("{opening}{}", body.replace("SCENARIOS", help().trim_end()));
        let cite = |(claim, document): (&&str, usize)| {
            // The search starts after the opening, for the prompt may hold the same words.
            let start = opening.len() + text[opening.len()..].find(claim)?;
            let end = start + claim.len();
            let span = (text[..start].chars().count(), text[..end].chars().count());
            Some((end, citation(claim, span, document)))
        };
        let citations = claims.iter().zip(0..).filter_map(cite).collect();
        Self { opening: opening.len(), citations, text }
    }
}

/// A script that grows, and the time that it has taken so far.
struct Scene {
    traces: Traces,
    script: Script,
    elapsed: Duration,
    prompt: String,
    calls: usize,
}

impl Scene {
    fn new(turn: &Turn<'_>) -> Self {
        Self {
            traces: Traces::new(turn),
            script: Script::new(),
            elapsed: Duration::ZERO,
            prompt: turn.prompt.to_owned(),
            calls: 0,
        }
    }

    /// Lets time pass, and returns when that began and how long it took.
    fn pass(&mut self, milliseconds: u64) -> (Duration, Duration) {
        let duration = Duration::from_millis(milliseconds);
        let start = self.elapsed;
        self.elapsed += duration;
        self.script.steps.push(Step::Wait(duration));
        (start, duration)
    }

    fn trace(&mut self, trace: Value) {
        self.script.steps.push(Step::Trace(trace));
    }

    fn pre_process(&mut self, verdict: &str, milliseconds: u64) {
        let prompt = self.prompt.clone();
        let call = self.call(&prompt, verdict, milliseconds);
        self.trace(self.traces.pre_processing_input(&call));
        self.pass(milliseconds);
        self.trace(self.traces.pre_processing_output(&call));
    }

    fn think(&mut self, thought: &str, milliseconds: u64) {
        let prompt = self.prompt.clone();
        let call = self.call(&prompt, thought, milliseconds);
        self.trace(self.traces.orchestration_input(&call));
        self.pass(milliseconds);
        self.trace(self.traces.orchestration_output(&call));
    }

    fn rationale(&mut self, text: &str) {
        self.trace(self.traces.rationale(text));
    }

    fn look_up(&mut self, question: &str, milliseconds: u64) {
        self.trace(self.traces.lookup("RELAYNOTES", question));
        let (start, took) = self.pass(milliseconds);
        let found: Vec<Value> = (0..DOCUMENTS.len()).map(reference).collect();
        self.trace(self.traces.found(&found, start, took));
    }

    fn act(&mut self, milliseconds: u64) {
        let parameters = [("service", "api-gateway"), ("limit", "integration-timeout")];
        self.trace(self.traces.action("gateway-limits", "lookup_limit", &parameters));
        let (start, took) = self.pass(milliseconds);
        let result = r#"{"limit":"integration-timeout","seconds":29,"adjustable":false}"#;
        self.trace(self.traces.acted(result, start, took));
    }

    /// Speaks a part of the text, from one byte to another. A citation comes with the chunk in
    /// which its sentence ends.
    fn say(&mut self, answer: &Answer, from: usize, to: usize) {
        let mut end = from;
        for (piece, (_, pause)) in pieces(&answer.text[from..to]).into_iter().zip(rhythm()) {
            let start = end;
            end += piece.len();
            let cited = answer.citations.iter().filter(|(at, _)| (start + 1..=end).contains(at));
            let citations = cited.map(|(_, citation)| citation.clone()).collect();
            self.pass(pause);
            self.script.steps.push(Step::Chunk { bytes: piece.to_owned().into(), citations });
        }
    }

    /// The last model call, which spoke the text since `began`, and the end of the turn.
    fn finish(&mut self, text: &str, began: Duration) {
        let prompt = self.prompt.clone();
        let mut call = self.call(&prompt, text, 0);
        call.start = began;
        call.took = self.elapsed.saturating_sub(began);
        self.trace(self.traces.orchestration_output(&call));
        self.trace(self.traces.finish(text, Duration::ZERO, self.elapsed));
    }

    fn call<'a>(&mut self, prompt: &'a str, response: &'a str, milliseconds: u64) -> ModelCall<'a> {
        let id = self.calls;
        self.calls += 1;
        ModelCall {
            id,
            prompt,
            response,
            start: self.elapsed,
            took: Duration::from_millis(milliseconds),
            // A token is about four characters; the instructions and the notes come on top.
            usage: (tokens(prompt) + 380 + 210 * id, tokens(response)),
        }
    }
}

fn rhythm() -> impl Iterator<Item = (usize, u64)> {
    RHYTHM.into_iter().cycle()
}

fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

fn citation(claim: &str, (start, end): (usize, usize), document: usize) -> Value {
    json!({
        "generatedResponsePart": {
            "textResponsePart": { "span": { "end": end, "start": start }, "text": claim },
        },
        "retrievedReferences": [reference(document)],
    })
}

/// A document as the knowledge base returns it.
fn reference(document: usize) -> Value {
    let (uri, text) = DOCUMENTS[document];
    json!({
        "content": { "text": text, "type": "TEXT" },
        "location": { "s3Location": { "uri": uri }, "type": "S3" },
        "metadata": {
            "x-amz-bedrock-kb-chunk-id": format!("relay-handbook-{document}"),
            "x-amz-bedrock-kb-source-uri": uri,
        },
    })
}

/// A prompt as it stands in a sentence: one line, not too long.
fn quote(prompt: &str) -> String {
    const MOST: usize = 160;
    let line = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn turn(number: u32) -> Turn<'static> {
        Turn {
            prompt: "Hello, 世界!",
            id: "turn",
            number,
            traced: true,
            now: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn pieces_are_small_and_nothing_is_lost() {
        for number in 1..=3 {
            let text = Answer::new(&turn(number)).text;
            let pieces = pieces(&text);
            assert_eq!(pieces.concat(), text);
            assert!((30..=65).contains(&pieces.len()), "{} pieces", pieces.len());
        }
    }

    #[test]
    fn an_answer_lasts_some_seconds() {
        for number in 1..=3 {
            let waits = streamed(&turn(number)).steps.into_iter().filter_map(|step| match step {
                Step::Wait(duration) => Some(duration),
                _ => None,
            });
            let seconds = waits.sum::<Duration>().as_secs_f64();
            assert!((2.0..=4.5).contains(&seconds), "{seconds} s");
        }
    }

    #[test]
    fn the_answer_quotes_the_prompt_and_counts_the_turn() {
        for number in 1..=4 {
            let text = Answer::new(&turn(number)).text;
            assert!(text.contains("“Hello, 世界!”"), "{text}");
            assert!(text.contains(&format!("turn {number} of this conversation")), "{text}");
            assert!(!text.contains("SCENARIOS"), "{text}");
        }
        assert_ne!(Answer::new(&turn(1)).text, Answer::new(&turn(2)).text);
    }

    #[test]
    fn every_claim_is_cited_where_it_stands() {
        for number in 1..=3 {
            let answer = Answer::new(&turn(number));
            assert_eq!(answer.citations.len(), 2);
            let text: Vec<char> = answer.text.chars().collect();
            for (_, citation) in &answer.citations {
                let part = &citation["generatedResponsePart"]["textResponsePart"];
                let at = |key: &str| usize::try_from(part["span"][key].as_u64().unwrap()).unwrap();
                let spanned: String = text[at("start")..at("end")].iter().collect();
                assert_eq!(part["text"], spanned);
            }
            let cited = streamed(&turn(number)).steps.into_iter().filter_map(|step| match step {
                Step::Chunk { citations, .. } => Some(citations.len()),
                _ => None,
            });
            assert_eq!(cited.sum::<usize>(), 2);
        }
    }

    #[test]
    fn traces_come_before_the_text_between_it_and_after_it() {
        let script = streamed(&turn(1));
        let kinds: String = script
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Trace(_) => Some('t'),
                Step::Chunk { .. } => Some('c'),
                _ => None,
            })
            .collect();
        let groups: Vec<&str> = kinds.split_inclusive("tc").collect();
        assert!(kinds.starts_with('t') && kinds.ends_with('t'), "{kinds}");
        assert_eq!(groups.len(), 3, "{kinds}");
    }

    #[test]
    fn a_long_prompt_is_cut_at_a_character() {
        let long = "🎬".repeat(500);
        assert_eq!(quote(&long).chars().count(), 161);
    }
}
