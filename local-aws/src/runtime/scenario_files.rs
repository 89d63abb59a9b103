//! The scenarios that are timelines, in the folder `scenarios/runtime` of this package.

use super::script::Script;
use super::timeline;
use crate::scripted::placeholders::Placeholders;

/// The answer to a prompt that is no scenario; its placeholder: `scenarios`.
pub(super) const ANSWER: &str = include_str!("../../scenarios/runtime/answer.jsonl");
pub(super) const INTERRUPT: &str = include_str!("../../scenarios/runtime/interrupt.jsonl");
pub(super) const ODD_CHUNKS: &str = include_str!("../../scenarios/runtime/odd-chunks.jsonl");
pub(super) const ODD_COMMENTS: &str = include_str!("../../scenarios/runtime/odd-comments.jsonl");
pub(super) const ODD_FAILURE: &str = include_str!("../../scenarios/runtime/odd-failure.jsonl");
pub(super) const ODD_GAVE_UP: &str = include_str!("../../scenarios/runtime/odd-gave-up.jsonl");
pub(super) const ODD_NULLS: &str = include_str!("../../scenarios/runtime/odd-nulls.jsonl");
pub(super) const ODD_UNENDED: &str = include_str!("../../scenarios/runtime/odd-unended.jsonl");
pub(super) const ODD_UNKNOWN: &str = include_str!("../../scenarios/runtime/odd-unknown.jsonl");
pub(super) const ODD_UNOPENED: &str = include_str!("../../scenarios/runtime/odd-unopened.jsonl");
pub(super) const ODD_WORDS: &str = include_str!("../../scenarios/runtime/odd-words.jsonl");
/// What follows on the results of calls; its placeholder: `results`.
pub(super) const RESULTS: &str = include_str!("../../scenarios/runtime/results.jsonl");
/// What follows on the answer to an interrupt; its placeholder: `results`.
pub(super) const RESUMED: &str = include_str!("../../scenarios/runtime/resumed.jsonl");
pub(super) const STEPS: &str = include_str!("../../scenarios/runtime/steps.jsonl");
pub(super) const STRANDS: &str = include_str!("../../scenarios/runtime/strands.jsonl");
pub(super) const THINK: &str = include_str!("../../scenarios/runtime/think.jsonl");

/// The script of one of these files.
pub(super) fn play(timeline: &str, placeholders: &Placeholders) -> Script {
    let runs = timeline::parse(timeline, placeholders);
    debug_assert!(runs.is_ok(), "{runs:?}");
    runs.unwrap_or_default().pop().unwrap_or_default()
}
