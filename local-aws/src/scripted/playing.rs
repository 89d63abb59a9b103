//! `/play`: a timeline of a file, turn by turn.

use std::path::Path;

use super::timeline_folder;

/// A timeline that is played turn by turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Playing {
    /// The file, as the prompt named it.
    pub(crate) file: String,
    /// How many times as fast.
    pub(crate) speed: f64,
    /// How many turns are over, up to that which was played last.
    pub(crate) played: usize,
}

impl Playing {
    /// What a prompt asks for: this turn of the file, or else the one after that which was played last.
    pub(crate) fn asked_for(
        file: String,
        turn: Option<usize>,
        speed: f64,
        last: Option<Self>,
    ) -> Self {
        let next = last.filter(|last| last.file == file).map_or(0, |last| last.played);
        Self { file, speed, played: turn.map_or(next, |turn| turn - 1) }
    }

    /// The script of the next turn, and after the last one that of the first again, if it may.
    ///
    /// # Errors
    /// When the file can't be played, or has no such turn: why, as a sentence.
    pub(crate) fn next<S, E: std::fmt::Display>(
        &mut self,
        folder: Option<&Path>,
        again: bool,
        parse: impl FnOnce(&str) -> Result<Vec<S>, E>,
    ) -> Result<S, String> {
        let about = |problem| format!("`/play` cannot play this. {problem}");
        let text = timeline_folder::read(folder, &self.file).map_err(about)?;
        let mut turns =
            parse(&text).map_err(|error| about(format!("The file is no timeline: {error}.")))?;
        if again {
            self.played %= turns.len().max(1);
        }
        if self.played >= turns.len() {
            let (turn, turns) = (self.played + 1, turns.len());
            return Err(format!("The timeline has no turn {turn}, but {turns}."));
        }
        let script = turns.swap_remove(self.played);
        self.played += 1;
        Ok(script)
    }
}
