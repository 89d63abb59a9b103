//! What DynamoDB can be asked for.

use std::fmt::{self, Display};

/// What stands before the name of an operation in the header `X-Amz-Target`.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// An operation of DynamoDB. A function needs some of them; the others are for people, their tools and
/// tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TableOperation {
    /// `GetItem`
    GetItem,
    /// `PutItem`
    PutItem,
    /// `UpdateItem`
    UpdateItem,
    /// `DeleteItem`
    DeleteItem,
    /// `Query`
    Query,
    /// `Scan`
    Scan,
    /// `BatchGetItem`
    BatchGetItem,
    /// `BatchWriteItem`
    BatchWriteItem,
    /// `TransactGetItems`
    TransactGetItems,
    /// `TransactWriteItems`
    TransactWriteItems,
    /// `CreateTable`
    CreateTable,
    /// `DeleteTable`
    DeleteTable,
    /// `DescribeTable`
    DescribeTable,
    /// `ListTables`
    ListTables,
    /// `UpdateTimeToLive`
    UpdateTimeToLive,
    /// `DescribeTimeToLive`
    DescribeTimeToLive,
}

impl TableOperation {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::GetItem,
        Self::PutItem,
        Self::UpdateItem,
        Self::DeleteItem,
        Self::Query,
        Self::Scan,
        Self::BatchGetItem,
        Self::BatchWriteItem,
        Self::TransactGetItems,
        Self::TransactWriteItems,
        Self::CreateTable,
        Self::DeleteTable,
        Self::DescribeTable,
        Self::ListTables,
        Self::UpdateTimeToLive,
        Self::DescribeTimeToLive,
    ];

    /// Its name, such as `GetItem`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::PutItem => "PutItem",
            Self::UpdateItem => "UpdateItem",
            Self::DeleteItem => "DeleteItem",
            Self::Query => "Query",
            Self::Scan => "Scan",
            Self::BatchGetItem => "BatchGetItem",
            Self::BatchWriteItem => "BatchWriteItem",
            Self::TransactGetItems => "TransactGetItems",
            Self::TransactWriteItems => "TransactWriteItems",
            Self::CreateTable => "CreateTable",
            Self::DeleteTable => "DeleteTable",
            Self::DescribeTable => "DescribeTable",
            Self::ListTables => "ListTables",
            Self::UpdateTimeToLive => "UpdateTimeToLive",
            Self::DescribeTimeToLive => "DescribeTimeToLive",
        }
    }

    /// Whether it reads or writes items, which is paid for.
    #[must_use]
    pub fn is_about_items(self) -> bool {
        !matches!(
            self,
            Self::CreateTable
                | Self::DeleteTable
                | Self::DescribeTable
                | Self::ListTables
                | Self::UpdateTimeToLive
                | Self::DescribeTimeToLive
        )
    }

    /// Whether it changes items: what it consumes are write units, not read units.
    #[must_use]
    pub fn writes_items(self) -> bool {
        matches!(
            self,
            Self::PutItem
                | Self::UpdateItem
                | Self::DeleteItem
                | Self::BatchWriteItem
                | Self::TransactWriteItems
        )
    }

    /// The operation that an `X-Amz-Target` names.
    pub(super) fn by_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix(TARGET_PREFIX)?;
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

impl Display for TableOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_by_their_targets() {
        for operation in TableOperation::ALL {
            let target = format!("DynamoDB_20120810.{operation}");
            assert_eq!(TableOperation::by_target(&target), Some(operation));
        }
        for target in
            ["GetItem", "DynamoDB_20120810.getitem", "DynamoDBStreams_20120810.GetItem", ""]
        {
            assert_eq!(TableOperation::by_target(target), None, "{target}");
        }
    }
}
