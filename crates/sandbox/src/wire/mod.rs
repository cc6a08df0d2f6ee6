//! One codec per AWS protocol: text or bytes to [`Doc`](super::doc::Doc) and back.
//!
//! Whatever arrives is hostile: each decoder bounds depth and size and answers with [`Malformed`], never with a panic.

pub mod cbor;
pub mod json;
pub mod percent;
pub mod query;
pub mod rest;
pub mod signature;
pub mod xml;

#[cfg(test)]
mod tests;

/// How deep documents may nest. The deepest real request (a load balancer's rule) has eight levels.
pub const MAX_DEPTH: usize = 48;

/// What arrived cannot be read; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub(super) fn new(why: impl Into<String>) -> Malformed {
        Malformed(why.into())
    }
}
