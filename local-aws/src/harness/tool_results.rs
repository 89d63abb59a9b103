//! The results that the caller sends for the calls of a harness, and what is made of them.

use super::exception::Refusal;
use super::request::ToolResult;
use super::script::ToolCall;
use crate::scripted::speech::quoted_result;

/// Checks that results are those of the pending calls, all of them and no others.
///
/// # Errors
/// When they are not: the validation exception. The service's own words are not documented; these say
/// what was wrong.
pub(super) fn check(pending: &[ToolCall], results: &[ToolResult]) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::invalid_field("messages", message));
    if pending.is_empty() {
        return invalid(
            "No tool call is pending in this session, so it expects no toolResult blocks."
                .to_owned(),
        );
    }
    let is_stale =
        |result: &&ToolResult| pending.iter().all(|call| call.tool_use_id != result.tool_use_id);
    if let Some(stale) = results.iter().find(is_stale) {
        let id = &stale.tool_use_id;
        return invalid(format!("The tool call '{id}' is not pending in this session."));
    }
    let missing: Vec<&str> = pending
        .iter()
        .filter(|call| results.iter().all(|result| result.tool_use_id != call.tool_use_id))
        .map(|call| &*call.tool_use_id)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let ids = missing.join(", ");
    invalid(format!(
        "Expected toolResult blocks for the following ids of pending tool calls: {ids}"
    ))
}

/// Checks that nothing is pending where the user says something new.
///
/// # Errors
/// When something is: the validation exception.
pub(super) fn check_none_pending(pending: &[ToolCall]) -> Result<(), Refusal> {
    if pending.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = pending.iter().map(|call| &*call.tool_use_id).collect();
    let message = format!(
        "A new user turn cannot start while tool calls are pending. Expected toolResult blocks for \
         the following ids: {}",
        ids.join(", "),
    );
    Err(Refusal::invalid_field("messages", message))
}

/// What the harness tells the user about a result.
pub(super) fn sentence(call: &ToolCall, result: &ToolResult) -> String {
    let verb = if result.failed { "failed with" } else { "returned" };
    let text = result.text.as_deref().unwrap_or_default();
    format!("`{}` {verb}{}", call.name, quoted_result(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> ToolCall {
        ToolCall { tool_use_id: id.to_owned(), name: "get_weather".to_owned() }
    }

    fn result(id: &str) -> ToolResult {
        ToolResult { tool_use_id: id.to_owned(), text: Some("dry".to_owned()), failed: false }
    }

    #[test]
    fn exactly_the_pending_calls_need_a_result() {
        let pending = [call("a"), call("b")];
        assert_eq!(check(&pending, &[result("b"), result("a")]), Ok(()));
        for (pending, results, reason) in [
            (&pending[..], vec![result("a")], "following ids of pending tool calls: b"),
            (&pending[..], vec![result("a"), result("c")], "'c' is not pending"),
            (&pending[..0], vec![result("a")], "No tool call is pending"),
        ] {
            let refusal = check(pending, &results).unwrap_err();
            assert!(refusal.message.contains(reason), "{}", refusal.message);
        }
        assert_eq!(check_none_pending(&[]), Ok(()));
        let refusal = check_none_pending(&pending).unwrap_err();
        assert!(refusal.message.contains("ids: a, b"), "{}", refusal.message);
    }

    #[test]
    fn a_result_is_quoted_whether_the_call_failed_or_not() {
        assert_eq!(sentence(&call("a"), &result("a")), "`get_weather` returned `dry`.");
        let failed = ToolResult { failed: true, ..result("a") };
        assert_eq!(sentence(&call("a"), &failed), "`get_weather` failed with `dry`.");
    }
}
