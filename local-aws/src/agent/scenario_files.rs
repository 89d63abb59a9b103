//! The scenarios that are timelines, in the folder `scenarios` of this package.

use super::script::Script;
use super::timeline;
use crate::scripted::placeholders::Placeholders;

/// The answers to a prompt that is no scenario, in turn.
pub(super) const ANSWERS: [&str; 3] = [
    include_str!("../../scenarios/answer-run.jsonl"),
    include_str!("../../scenarios/answer-relay.jsonl"),
    include_str!("../../scenarios/answer-prompts.jsonl"),
];
pub(super) const CONFIRM: &str = include_str!("../../scenarios/confirm.jsonl");
pub(super) const CONFIRM_API: &str = include_str!("../../scenarios/confirm-api.jsonl");
pub(super) const CONFIRM_RESULT: &str = include_str!("../../scenarios/confirm-result.jsonl");
pub(super) const FILE: &str = include_str!("../../scenarios/file.jsonl");
/// Its placeholders: `megabytes` and `content`.
pub(super) const FILE_OF_SIZE: &str = include_str!("../../scenarios/file-of-size.jsonl");
pub(super) const GUARDRAIL: &str = include_str!("../../scenarios/guardrail.jsonl");
/// One result of a return of control; its placeholder: `result`.
pub(super) const RESULT: &str = include_str!("../../scenarios/result.jsonl");
/// What follows on all of them; its placeholder: `results`.
pub(super) const RESULTS: &str = include_str!("../../scenarios/results.jsonl");
pub(super) const TEAM: &str = include_str!("../../scenarios/team.jsonl");
/// All five calls of `/tool N`.
pub(super) const TOOL: &str = include_str!("../../scenarios/tool.jsonl");
pub(super) const TOOL_API: &str = include_str!("../../scenarios/tool-api.jsonl");
pub(super) const TOOL_TEAM: &str = include_str!("../../scenarios/tool-team.jsonl");
/// Its placeholders: `thought` and `sentence`.
pub(super) const TRACE: &str = include_str!("../../scenarios/trace.jsonl");
pub(super) const UNKNOWN: &str = include_str!("../../scenarios/unknown.jsonl");

/// The script of one of these files.
pub(super) fn play(timeline: &str, placeholders: &Placeholders) -> Script {
    let turns = timeline::parse(timeline, placeholders);
    debug_assert!(turns.is_ok(), "{turns:?}");
    turns.unwrap_or_default().pop().unwrap_or_default()
}
