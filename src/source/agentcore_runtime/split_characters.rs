//! Characters that an agent has cut in two.
//!
//! Outside of the first 65,536, a character is two units of UTF-16, and JavaScript cuts texts between any
//! two of them. JSON then has one half at the end of a piece (`"\ud83d"`) and the other at the beginning
//! of the next, and neither is a character by itself.

use std::borrow::Cow;

use crate::json::{self, Object};
use crate::source::event::AguiEvent;

/// The members that tell whose text an event's is.
const IDS: [&str; 2] = ["messageId", "toolCallId"];

/// The half that the last piece of a text ended with, as JSON has it, and whose text that is.
#[derive(Debug, Default)]
pub(super) struct SplitCharacters {
    half: Option<(&'static str, Option<String>, String)>,
}

impl SplitCharacters {
    /// Puts the halves in an event's text together: one at its end waits for the next piece.
    pub(super) fn join(&mut self, event: &mut AguiEvent, object: &Object<'_>) {
        let Some(json) = object.get("delta").filter(|_| event.delta.is_some()) else { return };
        let Some(inside) = json.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        else {
            return;
        };
        let id = IDS.into_iter().find_map(|name| event.text(name));
        let before = self.half.take().filter(|(kind, of, _)| *kind == event.kind && *of == id);
        let is_joined = before.is_some();
        let mut text = before.map_or(Cow::Borrowed(inside), |(_, _, half)| (half + inside).into());
        let half = first_half_at_the_end(&text).map(str::to_owned);
        if let Some(half) = half {
            text = text[..text.len() - half.len()].to_owned().into();
            self.half = Some((event.kind, id, half));
        } else if !is_joined {
            return;
        }
        let joined = json::raw(format!("\"{text}\"").as_bytes());
        event.delta = json::text(&joined).map(Cow::into_owned);
    }
}

/// The escape of a first half with which the inside of a JSON string ends.
fn first_half_at_the_end(inside: &str) -> Option<&str> {
    let start = inside.len().checked_sub(r"\ud800".len())?;
    let escape = inside.get(start..)?;
    let digits = escape.strip_prefix(r"\u")?;
    let is_first_half = matches!(u16::from_str_radix(digits, 16), Ok(0xd800..=0xdbff));
    // A backslash before it makes it text.
    let backslashes = inside[..start].bytes().rev().take_while(|byte| *byte == b'\\').count();
    (is_first_half && backslashes.is_multiple_of(2)).then_some(escape)
}
