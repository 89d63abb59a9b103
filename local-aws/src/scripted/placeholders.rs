//! The placeholders of a timeline, such as `${prompt}`, and what stands for them in a turn.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// The longest prompt that stands in a sentence, in characters.
const MAX_QUOTED: usize = 160;

/// What stands for the placeholders, in the spelling of JSON strings.
#[derive(Clone, Debug)]
pub(crate) struct Placeholders {
    values: HashMap<&'static str, String>,
    now: SystemTime,
}

impl Placeholders {
    /// Those that every timeline has, in a turn that begins at this time.
    pub(crate) fn new(prompt: &str, turn: u32, now: SystemTime) -> Self {
        Self { values: HashMap::new(), now }
            .with("prompt", prompt)
            .with("prompt_in_json", &escaped(prompt))
            .with("quoted_prompt", &quote(prompt))
            .with("said", "")
            .with("turn", &turn.to_string())
    }

    /// One more.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.values.insert(name, escaped(value));
        self
    }

    /// Adds to what has been said in this turn.
    pub(crate) fn say(&mut self, text: &str) {
        self.values.entry("said").or_default().push_str(&escaped(text));
    }

    /// A line of a timeline with what stands for its placeholders.
    ///
    /// # Errors
    /// When there is no such placeholder: why.
    pub(crate) fn fill<'a>(&self, line: &'a str) -> Result<Cow<'a, str>, String> {
        let mut parts = line.split("${");
        let first = parts.next().unwrap_or_default();
        if first.len() == line.len() {
            return Ok(Cow::Borrowed(line));
        }
        let mut filled = first.to_owned();
        for part in parts {
            let value = part.split_once('}').and_then(|(name, rest)| {
                let value = match name.strip_prefix("time+") {
                    Some(milliseconds) => Cow::Owned(self.time(milliseconds)?),
                    None => Cow::Borrowed(&**self.values.get(name)?),
                };
                Some((value, rest))
            });
            let (value, rest) = value.ok_or(
                "it has a placeholder that does not exist; write `\\u0024{` for a mere `${`",
            )?;
            filled.push_str(&value);
            filled.push_str(rest);
        }
        Ok(Cow::Owned(filled))
    }

    /// The time so long after the turn began.
    fn time(&self, milliseconds: &str) -> Option<String> {
        let offset: u32 = milliseconds.parse().ok()?;
        let time = self.now + Duration::from_millis(offset.into());
        DateTime::from(time).fmt(Format::DateTimeWithOffset).ok()
    }
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A prompt as it stands in a sentence: one line, not too long.
fn quote(prompt: &str) -> String {
    let line = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_QUOTED) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_prompt_is_cut_at_a_character() {
        let long = "🎬".repeat(500);
        assert_eq!(quote(&long).chars().count(), 161);
    }
}
