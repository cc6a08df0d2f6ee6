//! The version of everything that shipit writes for itself and for others to read: what lies in the bucket, plans, results,
//! events. `docs/formats.md` says which reader takes which writer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of a document. As a default it is the one that this shipit writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Format(u32);

impl Format {
    /// What this shipit writes, and the only one that it reads.
    pub const NOW: Format = Format(1);

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl Default for Format {
    fn default() -> Format {
        Format::NOW
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
