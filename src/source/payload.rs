//! The JSON in an event's payload, read tolerantly: what is there and has the right type is read, and
//! whatever else there is does no harm.
//!
//! Absent, null, of another type, and there under another name are the same. Of two members of one
//! name, the last counts. A string that is no Unicode, and a payload that is no UTF-8 or has control
//! characters in its strings, are mended for reading. What is passed on is never mended: see [`json`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A payload as JSON, to be passed on as it is. What is no JSON becomes a JSON string.
pub(crate) fn json(payload: &[u8]) -> Box<RawValue> {
    serde_json::from_slice(payload)
        .or_else(|_| serde_json::value::to_raw_value(&String::from_utf8_lossy(payload)))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Reads a payload whose JSON is an object. `None` if it is none, however it is mended.
pub(crate) fn read<T>(payload: &[u8], reader: impl Fn(&Object<'_>) -> T) -> Option<T> {
    tolerantly(payload, |text| Object::parse(text).map(|object| reader(&object)))
}

/// Reads these members of a payload whose JSON is an object; the others cost nothing. `None` if it is
/// none, however it is mended.
pub(crate) fn read_members<T, const N: usize>(
    payload: &[u8],
    names: [&str; N],
    reader: impl Fn([Option<&RawValue>; N]) -> T,
) -> Option<T> {
    tolerantly(payload, |text| parse(text, MembersVisitor(names)).map(&reader))
}

fn tolerantly<T>(payload: &[u8], reader: impl Fn(&str) -> Option<T>) -> Option<T> {
    let as_it_is = std::str::from_utf8(payload).ok().and_then(&reader);
    as_it_is.or_else(|| reader(&mended(&String::from_utf8_lossy(payload))))
}

fn parse<'a, V: Visitor<'a>>(text: &'a str, visitor: V) -> Option<V::Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = deserializer.deserialize_map(visitor).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

/// The members of a JSON object.
#[derive(Debug)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        parse(text, ObjectVisitor)
    }

    /// The value of a member, as it came.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(other, _)| other == name)?;
        present(value)
    }

    /// The object in a member.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        Object::parse(self.get(name)?.get())
    }

    /// The list in a member, without what is null in it.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        let values: Vec<&RawValue> = serde_json::from_str(self.get(name)?.get()).ok()?;
        Some(values.into_iter().filter(|value| value.get() != "null").collect())
    }

    /// The objects in the list in a member; what is none is left out.
    pub(crate) fn objects(&self, name: &str) -> Option<Vec<Object<'a>>> {
        let values = self.list(name)?;
        Some(values.into_iter().filter_map(|value| Object::parse(value.get())).collect())
    }

    /// The text in a member.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.get(name)?)
    }

    /// The count in a member: a whole number that is not negative.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.get(name)?.get().parse().ok()
    }

    /// All members: name and value.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}

/// The value, unless it is null.
fn present(value: &RawValue) -> Option<&RawValue> {
    (value.get() != "null").then_some(value)
}

/// The text that a JSON string stands for.
pub(crate) fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    let json = json.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let text = serde_json::from_str(json).or_else(|_| serde_json::from_str(&mended(json)));
    text.ok().map(Cow::Owned)
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(4);
        while let Some(name) = map.next_key_seed(Name)? {
            members.push((name, map.next_value()?));
        }
        Ok(Object(members))
    }
}

/// Finds members by their names.
struct MembersVisitor<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for MembersVisitor<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [None; N];
        while let Some(name) = map.next_key_seed(Name)? {
            let value = map.next_value()?;
            if let Some(place) = self.0.iter().position(|wanted| *wanted == name) {
                members[place] = present(value);
            }
        }
        Ok(members)
    }
}

/// A member's name, which is copied only where it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// The same JSON with strings that every reader takes: control characters are escaped, and an escape
/// that stands for no character is one for U+FFFD.
fn mended(json: &str) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json.trim_start_matches('\u{feff}').chars();
    let mut in_string = false;
    while let Some(char) = rest.next() {
        match char {
            '"' => {
                in_string = !in_string;
                mended.push(char);
            }
            '\\' if in_string => mend_escape(&mut rest, &mut mended),
            '\0'..=' ' if in_string && char != ' ' => {
                // Writing to a string can't fail.
                let _ = write!(mended, "\\u{:04x}", u32::from(char));
            }
            _ => mended.push(char),
        }
    }
    mended
}

/// What follows a backslash, up to the end of the escape.
fn mend_escape(rest: &mut std::str::Chars<'_>, mended: &mut String) {
    let escaped = rest.as_str();
    match escaped.chars().next() {
        Some('u') => {
            let unit = code_unit(escaped);
            let pair = unit.filter(|unit| (0xd800..0xdc00).contains(unit)).and_then(|_| {
                let low = code_unit(escaped.get(5..)?.strip_prefix('\\')?)?;
                (0xdc00..0xe000).contains(&low).then_some(())
            });
            let length = match (unit, pair) {
                (Some(_), Some(())) => 11,
                (Some(unit), None) if !(0xd800..0xe000).contains(&unit) => 5,
                (unit, _) => {
                    mended.push_str("\\ufffd");
                    skip(rest, if unit.is_some() { 5 } else { 1 });
                    return;
                }
            };
            mended.push('\\');
            mended.push_str(&escaped[..length]);
            skip(rest, length);
        }
        Some(known @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {
            mended.extend(['\\', known]);
            skip(rest, 1);
        }
        // It escapes nothing, so it stands for itself.
        _ => mended.push_str("\\\\"),
    }
}

/// The code unit of an escape that begins with its `u`.
fn code_unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix('u')?.get(..4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Passes over so many characters, all of them ASCII.
fn skip(rest: &mut std::str::Chars<'_>, count: usize) {
    *rest = rest.as_str()[count..].chars();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(payload: &[u8]) -> Option<String> {
        read(payload, |object| object.text("text").map(Cow::into_owned)).flatten()
    }

    #[test]
    fn strings_that_are_no_unicode_are_mended() {
        for (payload, text) in [
            (r#"{"text":"cut here: \ud83d"}"#.as_bytes(), "cut here: \u{fffd}"),
            (
                br#"{"text":"\ud83d\ude00 \ude00 \ud83d\ud83d\ude00"}"#,
                "\u{1f600} \u{fffd} \u{fffd}\u{1f600}",
            ),
            (br#"{"text":"\ud83d\n\u0041"}"#, "\u{fffd}\nA"),
            (b"{\"text\":\"a\x00b\nc\"}", "a\0b\nc"),
            (b"{\"text\":\"a\xffb\"}", "a\u{fffd}b"),
            (br#"{"text":"C:\path \u12"}"#, "C:\\path \u{fffd}12"),
            (b"\xef\xbb\xbf{\"text\":\"after a mark\"}", "after a mark"),
            (br#"{"\ud83d":1,"text":"beside a broken name"}"#, "beside a broken name"),
        ] {
            assert_eq!(text_of(payload).as_deref(), Some(text), "{payload:?}");
        }
    }

    #[test]
    fn what_is_not_there_or_of_another_type_is_absent() {
        for payload in [
            &br"{}"[..],
            br#"{"text":null}"#,
            br#"{"text":1}"#,
            br#"{"text":["a"]}"#,
            br#"{"text":{"text":"a"}}"#,
        ] {
            assert_eq!(text_of(payload), None, "{payload:?}");
        }
        for payload in
            [&b""[..], b"null", b"[]", b"\"text\"", b"<html>", b"{\"text\":\"a\"", b"{} {}"]
        {
            assert!(read(payload, |_| ()).is_none(), "{payload:?}");
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        assert_eq!(text_of(br#"{"text":"a","text":"b"}"#).as_deref(), Some("b"));
    }

    #[test]
    fn a_count_may_be_large_and_is_never_guessed() {
        let count = |json: &str| read(json.as_bytes(), |object| object.count("n")).flatten();
        assert_eq!(count(r#"{"n":8589934592}"#), Some(8_589_934_592));
        for json in [r#"{"n":-1}"#, r#"{"n":1.5}"#, r#"{"n":"7"}"#, r#"{"n":1e3}"#] {
            assert_eq!(count(json), None, "{json}");
        }
    }

    #[test]
    fn any_depth_is_passed_over() {
        let deep =
            format!(r#"{{"deep":{}{},"text":"a"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(text_of(deep.as_bytes()).as_deref(), Some("a"));
        assert_eq!(json(deep.as_bytes()).get(), deep);
    }
}
