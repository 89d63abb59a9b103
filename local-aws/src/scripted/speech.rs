//! The pace at which a text is said, and how the words of others stand in it.

use std::time::Duration;

/// The lengths of the pieces in characters, and the pauses before them in milliseconds, over and
/// over: models do not speak in lockstep.
const RHYTHM: [(usize, u64); 8] =
    [(16, 35), (30, 60), (12, 25), (36, 70), (22, 40), (28, 55), (14, 30), (40, 80)];

/// The most of a result that is quoted, in characters.
const MAX_QUOTED: usize = 2000;

/// The pause between the pieces of a short text, which is pleasant to read.
pub(crate) const STEADY: Duration = Duration::from_millis(25);

/// Cuts a text into small pieces at white space, each with the pause before it: a steady one, or that
/// of a model.
pub(crate) fn pieces(text: &str, steady: Option<Duration>) -> Vec<(Duration, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut end) = (0, 0);
    let mut rhythm = RHYTHM.into_iter().cycle().peekable();
    let mut push = |piece, pause| {
        pieces.push((steady.unwrap_or(Duration::from_millis(pause)), piece));
    };
    for word in text.split_inclusive(char::is_whitespace) {
        end += word.len();
        if let Some((_, pause)) = rhythm.next_if(|(length, _)| end - start >= *length) {
            push(&text[start..end], pause);
            start = end;
        }
    }
    if start < end {
        push(&text[start..], rhythm.next().map_or(0, |(_, pause)| pause));
    }
    pieces
}

/// A result as it stands in a list item of Markdown: in the line if it fits there, else as a block.
pub(crate) fn quoted_result(body: &str) -> String {
    let mut body = body.to_owned();
    if let Some((cut, _)) = body.char_indices().nth(MAX_QUOTED) {
        body.truncate(cut);
        body.push('…');
    }
    if body.len() <= 160 && !body.contains(['`', '\n', '\r']) && !body.trim().is_empty() {
        return format!(" `{body}`.");
    }
    // The fence is longer than any inside.
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let indented = body.lines().collect::<Vec<_>>().join("\n  ");
    format!(":\n\n  {fence}\n  {indented}\n  {fence}\n")
}
