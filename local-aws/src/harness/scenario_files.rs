//! The scenarios that are timelines, in the folder `scenarios/harness` of this package.

use super::script::Script;
use super::timeline;
use crate::scripted::placeholders::Placeholders;

/// The answers to a prompt that is no scenario, in turn; their placeholder: `scenarios`.
pub(super) const ANSWERS: [&str; 3] = [
    include_str!("../../scenarios/harness/answer-run.jsonl"),
    include_str!("../../scenarios/harness/answer-relay.jsonl"),
    include_str!("../../scenarios/harness/answer-prompts.jsonl"),
];
pub(super) const GUARDRAIL: &str = include_str!("../../scenarios/harness/guardrail.jsonl");
pub(super) const HOOK_ALLOW: &str = include_str!("../../scenarios/harness/hook-allow.jsonl");
pub(super) const HOOK_DENY: &str = include_str!("../../scenarios/harness/hook-deny.jsonl");
pub(super) const HOOK_FAILED: &str = include_str!("../../scenarios/harness/hook-failed.jsonl");
pub(super) const ODD_INDICES: &str = include_str!("../../scenarios/harness/odd-indices.jsonl");
pub(super) const ODD_MEMBERS: &str = include_str!("../../scenarios/harness/odd-members.jsonl");
pub(super) const ODD_START: &str = include_str!("../../scenarios/harness/odd-start.jsonl");
pub(super) const ODD_UNSTOPPED: &str = include_str!("../../scenarios/harness/odd-unstopped.jsonl");
pub(super) const ODD_UNTYPED: &str = include_str!("../../scenarios/harness/odd-untyped.jsonl");
/// What follows on the results of calls; its placeholder: `results`.
pub(super) const RESULTS: &str = include_str!("../../scenarios/harness/results.jsonl");
pub(super) const THINK: &str = include_str!("../../scenarios/harness/think.jsonl");
/// All five calls of `/tool N`, each in a run of its own.
pub(super) const TOOL: &str = include_str!("../../scenarios/harness/tool.jsonl");
pub(super) const TOOL_DENIED: &str = include_str!("../../scenarios/harness/tool-denied.jsonl");
pub(super) const TOOL_EMPTY: &str = include_str!("../../scenarios/harness/tool-empty.jsonl");
pub(super) const TOOL_LATE: &str = include_str!("../../scenarios/harness/tool-late.jsonl");
pub(super) const TOOL_TEXT: &str = include_str!("../../scenarios/harness/tool-text.jsonl");
/// All five calls of `/tool N together`, each in a block of its own, numbered from 0.
pub(super) const TOOL_TOGETHER: &str = include_str!("../../scenarios/harness/tool-together.jsonl");
pub(super) const TOOL_UNTYPED: &str = include_str!("../../scenarios/harness/tool-untyped.jsonl");
pub(super) const UNKNOWN: &str = include_str!("../../scenarios/harness/unknown.jsonl");
pub(super) const WORK: &str = include_str!("../../scenarios/harness/work.jsonl");

/// The scripts of one of these files, one a run.
pub(super) fn play(timeline: &str, placeholders: &Placeholders) -> Vec<Script> {
    let runs = timeline::parse(timeline, placeholders);
    debug_assert!(runs.is_ok(), "{runs:?}");
    runs.unwrap_or_default()
}
