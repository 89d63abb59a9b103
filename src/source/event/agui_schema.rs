//! What clients of AG-UI take: the schemas of `@ag-ui/core` 1.0 and 0.0.59, as far as both agree.
//!
//! A client ends a run at the first event that it can't read. So what it would refuse is mended where
//! the meaning is clear, left out where little is lost, and otherwise refused here. What is right stays
//! as it came.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{self, Object};

/// What a value must be.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Text; a list of parts that are text becomes their text.
    TextOfParts,
    /// Text; a list of parts that are text becomes their text, and other JSON the text that it is.
    TextOfResult,
    /// Text; other JSON becomes the text that it is.
    TextOfJson,
    /// Text, or parts of text, images and the like.
    TextOrParts,
    /// A place in a JSON document.
    Pointer,
    Bool,
    /// A whole number that is not negative.
    Count,
    /// A whole number; others are rounded.
    Time,
    /// Any JSON but null.
    Any,
    AnyOrNull,
    /// An object of whatever.
    AnyObject,
    /// An object with these members, and maybe others.
    Object(Members),
    /// An object with these members and no others.
    Closed(Members),
    /// A list of such values.
    List(&'static Shape),
    /// A list of such values, of which there must be one; others are left out.
    SomeOf(&'static Shape),
    /// An object whose shape the text in one of its members tells.
    By(&'static str, &'static [(&'static str, Shape)]),
}

/// What becomes of an object whose member has another shape, or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// It must be there: the object is refused.
    Must,
    /// It may be absent. If it is there and wrong, the object is refused.
    Right,
    /// It is left out.
    May,
}

/// A member's name, how much it is needed, and its shape.
type Rule = (&'static str, Need, Shape);

/// The members of an object, in groups that several objects share.
type Members = &'static [&'static [Rule]];

use Need::{May, Must, Right};
use Shape::{
    Any, AnyObject, AnyOrNull, Bool, By, Closed, Count, List, OneOf, Pointer, SomeOf, Text,
    TextOfJson, TextOfParts, TextOfResult, TextOrParts, Time,
};

/// What every event may have.
const EVERY: &[Rule] = &[
    ("timestamp", May, Time),
    ("rawEvent", May, Any),
    ("metadata", May, AnyObject),
    ("subagentRunId", May, Text),
];

const TEXT_ROLE: Shape = OneOf(&["developer", "system", "assistant", "user"]);

/// The types that clients of both 1.0 and 0.0.59 know, and their own members. The run's own beginning
/// and ends are not among them: they are the relay's.
const EVENTS: [(&str, &[Rule]); 28] = [
    ("TEXT_MESSAGE_START", &[ID, ("role", May, TEXT_ROLE), ("name", May, Text)]),
    ("TEXT_MESSAGE_CONTENT", &[ID, ("delta", Must, Text)]),
    ("TEXT_MESSAGE_END", &[ID]),
    (
        "TEXT_MESSAGE_CHUNK",
        &[
            ("messageId", Right, Text),
            ("role", May, TEXT_ROLE),
            ("delta", Right, Text),
            ("name", May, Text),
        ],
    ),
    ("TOOL_CALL_START", &[CALL_ID, ("toolCallName", Must, Text), ("parentMessageId", May, Text)]),
    ("TOOL_CALL_ARGS", &[CALL_ID, ("delta", Must, Text)]),
    ("TOOL_CALL_END", &[CALL_ID]),
    (
        "TOOL_CALL_CHUNK",
        &[
            ("toolCallId", Right, Text),
            ("toolCallName", Right, Text),
            ("parentMessageId", May, Text),
            ("delta", Right, Text),
        ],
    ),
    (
        "TOOL_CALL_RESULT",
        &[ID, CALL_ID, ("content", Must, TextOfResult), ("role", May, OneOf(&["tool"]))],
    ),
    ("STATE_SNAPSHOT", &[("snapshot", Must, AnyOrNull)]),
    ("STATE_DELTA", &[("delta", Must, PATCH)]),
    ("MESSAGES_SNAPSHOT", &[("messages", Must, List(&MESSAGE))]),
    (
        "ACTIVITY_SNAPSHOT",
        &[ID, ("activityType", Must, Text), ("content", Must, AnyObject), ("replace", May, Bool)],
    ),
    ("ACTIVITY_DELTA", &[ID, ("activityType", Must, Text), ("patch", Must, PATCH)]),
    ("RAW", &[("event", Must, AnyOrNull), ("source", May, Text)]),
    ("CUSTOM", &[("name", Must, Text), ("value", Must, AnyOrNull)]),
    ("STEP_STARTED", &[("stepName", Must, Text)]),
    ("STEP_FINISHED", &[("stepName", Must, Text)]),
    ("REASONING_START", &[ID]),
    ("REASONING_MESSAGE_START", &[ID]),
    ("REASONING_MESSAGE_CONTENT", &[ID, ("delta", Must, Text)]),
    ("REASONING_MESSAGE_END", &[ID]),
    ("REASONING_MESSAGE_CHUNK", &[("messageId", Right, Text), ("delta", Right, Text)]),
    ("REASONING_END", &[ID]),
    (
        "REASONING_ENCRYPTED_VALUE",
        &[
            ("subtype", Must, OneOf(&["tool-call", "message"])),
            ("entityId", Must, Text),
            ("encryptedValue", Must, Text),
        ],
    ),
    (
        "SUBAGENT_STARTED",
        &[
            ("subagentRunId", Must, Text),
            ("name", Must, Text),
            ("description", May, Text),
            ("parentSubagentRunId", May, Text),
            ("parentToolCallId", May, Text),
            ("parentMessageId", May, Text),
        ],
    ),
    (
        "SUBAGENT_FINISHED",
        &[("subagentRunId", Must, Text), ("result", May, Any), ("outcome", May, SUBAGENT_OUTCOME)],
    ),
    (
        "SUBAGENT_ERROR",
        &[("subagentRunId", Must, Text), ("message", Must, Text), ("code", May, Text)],
    ),
];

const ID: Rule = ("messageId", Must, Text);

const CALL_ID: Rule = ("toolCallId", Must, Text);

const PATCH: Shape = List(&By(
    "op",
    &[
        ("add", Shape::Object(&[TO, VALUE])),
        ("remove", Shape::Object(&[TO])),
        ("replace", Shape::Object(&[TO, VALUE])),
        ("move", Shape::Object(&[TO, FROM])),
        ("copy", Shape::Object(&[TO, FROM])),
        ("test", Shape::Object(&[TO, VALUE])),
    ],
));

const TO: &[Rule] = &[("path", Must, Pointer)];

const FROM: &[Rule] = &[("from", Must, Pointer)];

const VALUE: &[Rule] = &[("value", Must, AnyOrNull)];

/// A message of a conversation.
const MESSAGE: Shape = By(
    "role",
    &[
        ("developer", Shape::Object(&[MESSAGE_BASE, NAME, WORDS])),
        ("system", Shape::Object(&[MESSAGE_BASE, NAME, WORDS])),
        (
            "assistant",
            Shape::Object(&[
                MESSAGE_BASE,
                NAME,
                &[("content", Right, TextOfParts), ("toolCalls", Right, List(&TOOL_CALL))],
            ]),
        ),
        ("user", Shape::Object(&[MESSAGE_BASE, NAME, &[("content", Must, TextOrParts)]])),
        (
            "tool",
            Shape::Object(&[
                MESSAGE_BASE,
                &[CALL_ID, ("content", Must, TextOfResult), ("error", May, TextOfJson)],
            ]),
        ),
        (
            "activity",
            Shape::Object(&[
                MESSAGE_BASE,
                &[("activityType", Must, Text), ("content", Must, AnyObject)],
            ]),
        ),
        ("reasoning", Shape::Object(&[MESSAGE_BASE, WORDS])),
    ],
);

const MESSAGE_BASE: &[Rule] = &[
    ("id", Must, Text),
    ("encryptedValue", May, Text),
    ("metadata", May, AnyObject),
    ("subagentRunId", May, Text),
];

const NAME: &[Rule] = &[("name", May, Text)];

const WORDS: &[Rule] = &[("content", Must, TextOfParts)];

const TOOL_CALL: Shape = Shape::Object(&[&[
    ("id", Must, Text),
    ("type", Must, OneOf(&["function"])),
    ("function", Must, FUNCTION),
    ("encryptedValue", May, Text),
    ("metadata", May, AnyObject),
]]);

const FUNCTION: Shape = Shape::Object(&[&[("name", Must, Text), ("arguments", Must, TextOfJson)]]);

/// A part of what a user says.
const PART: Shape = By(
    "type",
    &[
        ("text", Shape::Object(&[&[("text", Must, Text)], PART_BASE])),
        ("image", MEDIA),
        ("audio", MEDIA),
        ("video", MEDIA),
        ("document", MEDIA),
    ],
);

const MEDIA: Shape = Shape::Object(&[&[("source", Must, MEDIA_SOURCE)], PART_BASE]);

const PART_BASE: &[Rule] = &[("id", May, Text), ("metadata", May, Any)];

const MEDIA_SOURCE: Shape = By(
    "type",
    &[
        ("data", Shape::Object(&[&[("value", Must, Text), ("mimeType", Must, Text)]])),
        ("url", Shape::Object(&[&[("value", Must, Text), ("mimeType", May, Text)]])),
    ],
);

/// What `RUN_FINISHED` says of the agent's.
const END: Members =
    &[&[("outcome", May, OUTCOME), ("result", May, Any), ("usage", May, SomeOf(&USAGE))]];

/// Clients of 0.0.59 refuse other members in it.
const OUTCOME: Shape = By(
    "type",
    &[
        ("success", Closed(&[TYPE])),
        ("interrupt", Closed(&[TYPE, &[("interrupts", Must, SomeOf(&INTERRUPT))]])),
    ],
);

const SUBAGENT_OUTCOME: Shape = By(
    "type",
    &[
        ("success", Closed(&[TYPE])),
        ("suspended", Closed(&[TYPE, &[("interruptIds", May, List(&Text))]])),
    ],
);

const TYPE: &[Rule] = &[("type", Must, Text)];

const INTERRUPT: Shape = Shape::Object(&[&[
    ("id", Must, Text),
    ("reason", Must, Text),
    ("message", May, Text),
    ("toolCallId", May, Text),
    ("responseSchema", May, AnyObject),
    ("expiresAt", May, Text),
    ("metadata", May, AnyObject),
    ("subagentRunId", May, Text),
]]);

const USAGE: Shape = Shape::Object(&[&[
    ("provider", May, Text),
    ("model", May, Text),
    ("inputTokens", May, Count),
    ("outputTokens", May, Count),
    ("totalTokens", May, Count),
    ("reasoningTokens", May, Count),
    ("cachedInputTokens", May, Count),
    ("cacheWriteInputTokens", May, Count),
]]);

/// The largest whole number that clients take; the smallest is its negative.
const MAX_WHOLE: i64 = 9_007_199_254_740_991;

/// A value as it came, or mended.
type Fitted<'a> = Cow<'a, RawValue>;

/// An event's type and its members, as clients take them. `None` if they can't.
pub(super) fn event<'o>(
    kind: &str,
    object: &'o Object<'_>,
) -> Option<(&'static str, Vec<(&'o str, Fitted<'o>)>)> {
    let (kind, own) = EVENTS.into_iter().find(|(known, _)| *known == kind)?;
    let rules = [own, EVERY];
    let mut members = fit_members(&rules, false, object)?.0;
    // What Python writes for an absent member.
    members.retain(|(name, value)| value.get() != "null" || rule(&rules, name).is_some());
    Some((kind, members))
}

/// What an agent's `RUN_FINISHED` says beside its end, as clients take it.
pub(crate) fn end_members(object: &Object<'_>) -> Vec<(&'static str, Box<RawValue>)> {
    let members = END.iter().copied().flatten();
    let members = members.filter_map(|(name, _, shape)| {
        let value = fit(*shape, object.get(name)?)?;
        Some((*name, value.into_owned()))
    });
    members.collect()
}

/// The value in this shape. `None` if it can't be brought into it.
fn fit(shape: Shape, value: &RawValue) -> Option<Fitted<'_>> {
    let json = value.get();
    let is_text = json.starts_with('"');
    let if_right = |is_right: bool| is_right.then_some(Cow::Borrowed(value));
    match shape {
        Text => if_right(is_text),
        OneOf(known) => if_right(json::text(value).is_some_and(|text| known.contains(&&*text))),
        Pointer => if_right(json::text(value).is_some_and(|text| is_pointer(&text))),
        Bool => if_right(matches!(json, "true" | "false")),
        Any => if_right(json != "null"),
        AnyOrNull => if_right(true),
        AnyObject => if_right(json.starts_with('{')),
        TextOfParts | TextOfResult | TextOfJson | TextOrParts if is_text => if_right(true),
        TextOfParts => text_of_parts(value).map(Cow::Owned),
        TextOfResult | TextOfJson if json == "null" => None,
        TextOfResult => {
            Some(Cow::Owned(text_of_parts(value).unwrap_or_else(|| json::string(json))))
        }
        TextOfJson => Some(Cow::Owned(json::string(json))),
        TextOrParts => fit(List(&PART), value),
        Count => if_right(json.parse().is_ok_and(is_count)),
        Time => time(value),
        Shape::Object(rules) => fit_object(rules, false, value),
        Closed(rules) => fit_object(rules, true, value),
        List(item) => fit_list(*item, false, value),
        SomeOf(item) => fit_list(*item, true, value),
        By(name, shapes) => {
            let kind = Object::parse(json)?.text(name)?.into_owned();
            let (_, shape) = shapes.iter().find(|(known, _)| *known == kind)?;
            fit(*shape, value)
        }
    }
}

fn fit_object<'a>(
    rules: &[&'static [Rule]],
    is_closed: bool,
    value: &'a RawValue,
) -> Option<Fitted<'a>> {
    let object = Object::parse(value.get())?;
    let (members, is_changed) = fit_members(rules, is_closed, &object)?;
    if !is_changed {
        return Some(Cow::Borrowed(value));
    }
    let members = members.iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("{}:{}", json::string(name).get(), value.get()))
        .collect();
    written(format!("{{{}}}", members.join(",")))
}

/// The members of an object, and whether they are others than came.
fn fit_members<'o>(
    rules: &[&'static [Rule]],
    is_closed: bool,
    object: &'o Object<'_>,
) -> Option<(Vec<(&'o str, Fitted<'o>)>, bool)> {
    let mut members: Vec<(&str, Fitted<'_>)> = Vec::new();
    let mut is_changed = false;
    for (name, value) in object.members() {
        // Of two members of one name, the last counts.
        members.retain(|(other, _)| *other != name);
        let rule = rule(rules, name);
        let fitted = match rule {
            Some((_, _, shape)) => fit(*shape, value),
            None if is_closed => None,
            None => Some(Cow::Borrowed(value)),
        };
        match fitted {
            Some(fitted) => {
                is_changed |= matches!(fitted, Cow::Owned(_));
                members.push((name, fitted));
            }
            None if value.get() != "null" && rule.is_some_and(|rule| rule.1 == Right) => {
                return None;
            }
            None => is_changed = true,
        }
    }
    let mut needed = rules.iter().copied().flatten().filter(|rule| rule.1 == Must);
    let is_whole = needed.all(|(name, ..)| members.iter().any(|(other, _)| other == name));
    is_whole.then_some((members, is_changed))
}

fn rule(rules: &[&'static [Rule]], name: &str) -> Option<&'static Rule> {
    rules.iter().copied().flatten().find(|(known, ..)| *known == name)
}

fn fit_list(item: Shape, may_lack: bool, value: &RawValue) -> Option<Fitted<'_>> {
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    let fitted: Vec<Fitted<'_>> = items.iter().filter_map(|value| fit(item, value)).collect();
    let is_lacking = fitted.len() < items.len();
    if (is_lacking && !may_lack) || (fitted.is_empty() && may_lack) {
        return None;
    }
    if !is_lacking && fitted.iter().all(|item| matches!(item, Cow::Borrowed(_))) {
        return Some(Cow::Borrowed(value));
    }
    let items: Vec<&str> = fitted.iter().map(|item| item.get()).collect();
    written(format!("[{}]", items.join(",")))
}

/// JSON that was put together from JSON.
fn written(json: String) -> Option<Fitted<'static>> {
    RawValue::from_string(json).ok().map(Cow::Owned)
}

/// The text of a list of parts, if all of them are text.
fn text_of_parts(value: &RawValue) -> Option<Box<RawValue>> {
    let parts: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    let texts = parts.iter().map(|part| {
        let part = Object::parse(part.get())?;
        let is_text = part.text("type")? == "text";
        part.text("text").filter(|_| is_text)
    });
    let texts: Vec<Cow<'_, str>> = texts.collect::<Option<_>>()?;
    (!texts.is_empty()).then(|| json::string(&texts.concat()))
}

/// Whether a text is a JSON pointer (RFC 6901).
fn is_pointer(text: &str) -> bool {
    let mut after_tildes = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/'))
        && after_tildes.all(|rest| rest.starts_with(['0', '1']))
}

#[expect(clippy::cast_precision_loss, reason = "the largest whole number is one of floats")]
fn is_count(number: f64) -> bool {
    number.fract() == 0.0 && (0.0..=MAX_WHOLE as f64).contains(&number)
}

#[expect(clippy::cast_possible_truncation, reason = "what is too large is refused")]
fn time(value: &RawValue) -> Option<Fitted<'_>> {
    let is_time = |time: &i64| (-MAX_WHOLE..=MAX_WHOLE).contains(time);
    if let Ok(time) = value.get().parse::<i64>() {
        return is_time(&time).then_some(Cow::Borrowed(value));
    }
    let time = value.get().parse::<f64>().ok()?.round() as i64;
    is_time(&time).then(|| written(time.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of an event in JSON, or nothing if it is refused.
    fn read(json: &str) -> Option<String> {
        let object = Object::parse(json).unwrap();
        let kind = object.text("type").unwrap();
        let (_, members) = event(&kind, &object)?;
        Some(as_text(members.iter().map(|(name, value)| (*name, value.get()))))
    }

    fn end(json: &str) -> String {
        let members = end_members(&Object::parse(json).unwrap());
        as_text(members.iter().map(|(name, value)| (*name, value.get())))
    }

    fn as_text<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let members = members.filter(|(name, _)| *name != "type");
        let members: Vec<String> = members.map(|(name, json)| format!("{name}={json}")).collect();
        members.join(" ")
    }

    /// A snapshot of this message.
    fn message(json: &str) -> Option<String> {
        let read = read(&format!(r#"{{"type":"MESSAGES_SNAPSHOT","messages":[{json}]}}"#))?;
        Some(read.strip_prefix("messages=[").unwrap().strip_suffix(']').unwrap().to_owned())
    }

    #[test]
    fn what_is_right_stays_as_it_came() {
        let messages = r#"[ {"id":"1","role":"user","content":"a"},
            {"id":"2","role":"user","content":[{"type":"text","text":"a"},
                {"type":"image","source":{"type":"url","value":"u"}},
                {"type":"document","source":{"type":"data","value":"d","mimeType":"m"},"metadata":{"a":null}}]},
            {"id":"3","role":"assistant","toolCalls":[{"id":"c","type":"function",
                "function":{"name":"f","arguments":"{\"a\":null}"}}],"extra":null},
            {"id":"4","role":"tool","toolCallId":"c","content":"[1.50]","error":"e"},
            {"id":"5","role":"activity","activityType":"a","content":{"n":null}},
            {"id":"6","role":"reasoning","content":"","encryptedValue":"x"},
            {"id":"7","role":"developer","content":"", "metadata":{"n":null}} ]"#;
        let event = format!(r#"{{"type":"MESSAGES_SNAPSHOT","messages":{messages}}}"#);
        assert_eq!(read(&event).unwrap(), format!("messages={messages}"));
        let end_of = r#""outcome":{"type":"interrupt","interrupts":[ {"id":"i","reason":"r","responseSchema":{"default":null}} ]},"result":{"n":1.50,"a":null},"usage":[ {"model":"m","inputTokens":1,"outputTokens":2.0} ]"#;
        let expected = r#"outcome={"type":"interrupt","interrupts":[ {"id":"i","reason":"r","responseSchema":{"default":null}} ]} result={"n":1.50,"a":null} usage=[ {"model":"m","inputTokens":1,"outputTokens":2.0} ]"#;
        assert_eq!(end(&format!("{{{end_of}}}")), expected);
    }

    #[test]
    fn a_time_is_a_whole_number() {
        for (time, expected) in [
            ("1764163697123", "timestamp=1764163697123"),
            ("1764163697.63", "timestamp=1764163698"),
            ("-1.2e3", "timestamp=-1200"),
            ("\"2026-11-26T13:28:17Z\"", ""),
            ("9007199254740992", ""),
            ("1e300", ""),
            ("{}", ""),
            ("null", ""),
        ] {
            let event = format!(r#"{{"type":"TEXT_MESSAGE_CHUNK","timestamp":{time}}}"#);
            assert_eq!(read(&event).unwrap(), expected, "{time}");
        }
    }

    #[test]
    fn optional_members_of_another_type_are_left_out() {
        for (event, expected) in [
            (
                r#"{"type":"TEXT_MESSAGE_START","messageId":"m","role":"agent","name":1}"#,
                r#"messageId="m""#,
            ),
            (r#"{"type":"TEXT_MESSAGE_CHUNK","delta":"a","role":"ai"}"#, r#"delta="a""#),
            (
                r#"{"type":"TOOL_CALL_START","toolCallId":"c","toolCallName":"f","parentMessageId":1}"#,
                r#"toolCallId="c" toolCallName="f""#,
            ),
            (
                r#"{"type":"TOOL_CALL_RESULT","messageId":"m","toolCallId":"c","content":"a","role":"user"}"#,
                r#"messageId="m" toolCallId="c" content="a""#,
            ),
            (
                r#"{"type":"ACTIVITY_SNAPSHOT","messageId":"m","activityType":"a","content":{"n":null},"replace":"true"}"#,
                r#"messageId="m" activityType="a" content={"n":null}"#,
            ),
            (r#"{"type":"RAW","event":null,"source":1,"rawEvent":null}"#, "event=null"),
            (
                r#"{"type":"SUBAGENT_STARTED","subagentRunId":"s","name":"n","parentToolCallId":1}"#,
                r#"subagentRunId="s" name="n""#,
            ),
            (
                r#"{"type":"SUBAGENT_FINISHED","subagentRunId":"s","result":null,"outcome":{"type":"lost"}}"#,
                r#"subagentRunId="s""#,
            ),
            (
                r#"{"type":"SUBAGENT_FINISHED","subagentRunId":"s","outcome":{"type":"success","interruptIds":null}}"#,
                r#"subagentRunId="s" outcome={"type":"success"}"#,
            ),
            (
                r#"{"type":"CUSTOM","name":"n","value":null,"subagentRunId":7,"metadata":[],"extra":null,"other":[null]}"#,
                r#"name="n" value=null other=[null]"#,
            ),
        ] {
            assert_eq!(read(event).as_deref(), Some(expected), "{event}");
        }
    }

    #[test]
    fn events_of_another_shape_are_refused() {
        for event in [
            r#"{"type":"HOLOGRAM_STARTED"}"#,
            r#"{"type":"TEXT_MESSAGE_START"}"#,
            r#"{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":1}"#,
            r#"{"type":"TOOL_CALL_CHUNK","toolCallId":1,"delta":"a"}"#,
            r#"{"type":"REASONING_ENCRYPTED_VALUE","subtype":"other","entityId":"e","encryptedValue":"v"}"#,
            r#"{"type":"STATE_DELTA","delta":["add"]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"op":"add","value":1}]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"path":"/a","value":1}]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"op":"append","path":"/a","value":1}]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"op":"add","path":"a","value":1}]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"op":"add","path":"/a~2","value":1}]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"op":"replace","path":"/a"}]}"#,
            r#"{"type":"STATE_DELTA","delta":[{"op":"move","path":"/a","from":null}]}"#,
            r#"{"type":"STATE_DELTA","delta":[null]}"#,
            r#"{"type":"ACTIVITY_DELTA","messageId":"m","activityType":"a","patch":[1]}"#,
        ] {
            assert_eq!(read(event), None, "{event}");
        }
    }

    #[test]
    fn patches_pass_as_they_are() {
        let patch = r#"[ {"op":"add","path":"/a~1b","value":null}, {"op":"remove","path":"","value":null,"from":null}, {"op":"copy","from":"/a","path":"/b"} ]"#;
        let event = format!(r#"{{"type":"STATE_DELTA","delta":{patch}}}"#);
        assert_eq!(read(&event).unwrap(), format!("delta={patch}"));
        assert_eq!(read(r#"{"type":"STATE_DELTA","delta":[]}"#).unwrap(), "delta=[]");
    }

    #[test]
    fn nulls_in_messages_are_left_out() {
        for (json, expected) in [
            (
                r#"{"id":"1","role":"assistant","content":null,"name":null,"toolCalls":null,"metadata":{"n":null},"extra":1.50}"#,
                r#"{"id":"1","role":"assistant","metadata":{"n":null},"extra":1.50}"#,
            ),
            (
                r#"{"id":"1","role":"tool","toolCallId":"c","content":"a","error":null,"encryptedValue":null}"#,
                r#"{"id":"1","role":"tool","toolCallId":"c","content":"a"}"#,
            ),
            (
                r#"{"id":"1","role":"assistant","toolCalls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"encryptedValue":null}]}"#,
                r#"{"id":"1","role":"assistant","toolCalls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
            ),
            (
                r#"{"id":"1","role":"user","content":[{"type":"text","text":"a","metadata":null},{"type":"image","source":{"type":"url","value":"u","mimeType":null},"metadata":null}]}"#,
                r#"{"id":"1","role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"url","value":"u"}}]}"#,
            ),
            (
                r#"{"id":"1","role":"activity","activityType":"a","content":{"n":null},"metadata":null}"#,
                r#"{"id":"1","role":"activity","activityType":"a","content":{"n":null}}"#,
            ),
        ] {
            assert_eq!(message(json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn messages_are_mended_where_their_meaning_is_clear() {
        for (json, expected) in [
            (
                r#"{"id":"1","role":"assistant","content":[{"type":"text","text":"a "},{"type":"text","text":"\"b\"","index":0}]}"#,
                r#"{"id":"1","role":"assistant","content":"a \"b\""}"#,
            ),
            (
                r#"{"id":"1","role":"system","content":[{"type":"text","text":"a"}],"name":7}"#,
                r#"{"id":"1","role":"system","content":"a"}"#,
            ),
            (
                r#"{"id":"1","role":"assistant","toolCalls":[{"id":"c","type":"function","function":{"name":"f","arguments":{"a":null,"n":1.50}}}]}"#,
                r#"{"id":"1","role":"assistant","toolCalls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":null,\"n\":1.50}"}}]}"#,
            ),
            (
                r#"{"id":"1","role":"tool","toolCallId":"c","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
                r#"{"id":"1","role":"tool","toolCallId":"c","content":"ab"}"#,
            ),
            (
                r#"{"id":"1","role":"tool","toolCallId":"c","content":[1.50,null],"error":{"a":1}}"#,
                r#"{"id":"1","role":"tool","toolCallId":"c","content":"[1.50,null]","error":"{\"a\":1}"}"#,
            ),
            (
                r#"{"id":1,"id":"1","role":"user","content":"a"}"#,
                r#"{"id":"1","role":"user","content":"a"}"#,
            ),
        ] {
            assert_eq!(message(json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn a_snapshot_with_other_messages_is_refused() {
        for json in [
            r#"{"role":"user","content":"a"}"#,
            r#"{"id":null,"role":"user","content":"a"}"#,
            r#"{"id":"1","role":"human","content":"a"}"#,
            r#"{"id":"1","content":"a"}"#,
            r#""a""#,
            "null",
            r#"{"id":"1","role":"user"}"#,
            r#"{"id":"1","role":"user","content":[{"type":"binary","mimeType":"m","data":"d"}]}"#,
            r#"{"id":"1","role":"assistant","content":[{"type":"tool_use"}]}"#,
            r#"{"id":"1","role":"assistant","content":{"text":"a"}}"#,
            r#"{"id":"1","role":"assistant","toolCalls":[{"id":"c","function":{"name":"f"}}]}"#,
            r#"{"id":"1","role":"assistant","toolCalls":{}}"#,
            r#"{"id":"1","role":"tool","content":"a"}"#,
            r#"{"id":"1","role":"activity","activityType":"a","content":"a"}"#,
        ] {
            assert_eq!(message(json), None, "{json}");
        }
    }

    #[test]
    fn an_outcome_is_success_or_interrupts() {
        for (outcome, expected) in [
            (r#"{"type":"success"}"#, r#"{"type":"success"}"#),
            (r#"{"type":"success","interrupts":null}"#, r#"{"type":"success"}"#),
            (
                r#"{"type":"interrupt","interrupts":[{"id":"i","reason":"r","message":null,"toolCallId":null,"responseSchema":null,"expiresAt":null,"metadata":{"a":null}},{"id":1},null]}"#,
                r#"{"type":"interrupt","interrupts":[{"id":"i","reason":"r","metadata":{"a":null}}]}"#,
            ),
        ] {
            let expected = format!("outcome={expected}");
            assert_eq!(end(&format!(r#"{{"outcome":{outcome}}}"#)), expected, "{outcome}");
        }
        for outcome in [
            "null",
            r#""success""#,
            r#"{"type":"cancelled"}"#,
            r#"{"type":"interrupt"}"#,
            r#"{"type":"interrupt","interrupts":[]}"#,
            r#"{"type":"interrupt","interrupts":[{"id":"i"}]}"#,
            r#"{"type":"interrupt","interrupts":{"id":"i","reason":"r"}}"#,
        ] {
            assert_eq!(end(&format!(r#"{{"outcome":{outcome},"result":null}}"#)), "", "{outcome}");
        }
    }

    #[test]
    fn usage_is_a_list_of_counts() {
        for (usage, expected) in [
            (
                r#"[{"provider":null,"model":"m","inputTokens":1,"outputTokens":-1,"totalTokens":1.5,"reasoningTokens":"1","cachedInputTokens":null},7]"#,
                r#"usage=[{"model":"m","inputTokens":1}]"#,
            ),
            (r#"[{"inputTokens":9007199254740992}]"#, "usage=[{}]"),
            (r#"{"inputTokens":1}"#, ""),
            ("7", ""),
            ("[7]", ""),
        ] {
            assert_eq!(end(&format!(r#"{{"usage":{usage}}}"#)), expected, "{usage}");
        }
    }
}
