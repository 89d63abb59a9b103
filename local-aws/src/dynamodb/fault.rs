//! What can go wrong with calls of DynamoDB on purpose, and with which of them.

use std::fmt::{self, Display};
use std::time::Duration;

use super::operation::TableOperation;

/// What can go wrong with one call of DynamoDB.
///
/// That DynamoDB can't be reached at all is a matter of its wire: see
/// [`LocalAws::table_wire`](crate::LocalAws::table_wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableFault {
    /// It is refused with 400 `ThrottlingException`, as by a table that has reached the throughput which was
    /// set as its maximum.
    Throttled,
    /// It is refused with 400 `ProvisionedThroughputExceededException`, as when too many calls are about
    /// one key. Tables that are paid by request say so as well.
    KeyThrottled,
    /// It is refused with 500 `InternalServerError`. DynamoDB may have carried a write out all the same;
    /// here it has not.
    Failed,
    /// It is never answered and not carried out.
    Hang,
    /// Its connection is closed without an answer; it is not carried out.
    Cut,
    /// It is carried out, but its connection is closed without an answer.
    LoseAnswer,
    /// It is carried out at once, but the answer takes so much longer.
    Slow(Duration),
}

/// Which calls of DynamoDB are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableCalls {
    operation: Option<TableOperation>,
    text: Option<String>,
    /// How many that fit are still let pass.
    passing: u32,
}

impl TableCalls {
    /// All calls.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of one operation.
    #[must_use]
    pub fn of(operation: TableOperation) -> Self {
        Self { operation: Some(operation), ..Self::default() }
    }

    /// Only those whose body has this text in it, such as the name of an attribute.
    #[must_use]
    pub fn containing(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// All but the next so many.
    #[must_use]
    pub fn after(self, count: u32) -> Self {
        Self { passing: count, ..self }
    }

    /// Whether a call is one of them, which may count it as one that passes.
    pub(crate) fn include(&mut self, operation: TableOperation, body: &[u8]) -> bool {
        let of_operation = self.operation.is_none_or(|wanted| wanted == operation);
        let has = |text: &String| body.windows(text.len()).any(|part| part == text.as_bytes());
        let contains = self.text.as_ref().is_none_or(|text| text.is_empty() || has(text));
        if !of_operation || !contains {
            return false;
        }
        let passes = self.passing > 0;
        self.passing -= u32::from(passes);
        !passes
    }
}

impl Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled => "throttled",
            Self::KeyThrottled => "key throttled",
            Self::Failed => "failed",
            Self::Hang => "hang",
            Self::Cut => "cut",
            Self::LoseAnswer => "lost answer",
            Self::Slow(_) => "slow",
        })
    }
}
