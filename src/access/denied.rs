//! Why a client is not let in.

use std::fmt;

/// Why a client is not let in. For the log: the client is told nothing, and no credential is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessDenied(String);

impl AccessDenied {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for AccessDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
