//! The pace at which the agent says a text.

use std::time::Duration;

/// The lengths of the pieces in characters, and the pauses before them in milliseconds, over and
/// over: models do not speak in lockstep.
const RHYTHM: [(usize, u64); 8] =
    [(16, 35), (30, 60), (12, 25), (36, 70), (22, 40), (28, 55), (14, 30), (40, 80)];

/// The pause between the pieces of a short text, which is pleasant to read.
pub(super) const STEADY: Duration = Duration::from_millis(25);

/// Cuts a text into small pieces at white space, each with the pause before it: a steady one, or that
/// of a model.
pub(super) fn pieces(text: &str, steady: Option<Duration>) -> Vec<(Duration, &str)> {
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
