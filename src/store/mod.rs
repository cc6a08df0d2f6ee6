//! The bucket: artifacts, plans, journals, decisions, the lock. S3's conditional writes coordinate any number of drivers;
//! every body carries a nonce, so that a write whose answer was lost can be recognised.
//!
//! ```text
//! <prefix>/artifacts/<sha256>.zip
//! <prefix>/targets/<account>/<region>/fleet/<application>/<group>/claim.json
//! <prefix>/targets/<account>/<region>/function/<name>/claim.json
//! <prefix>/<pipeline>/<environment>/lock.json
//! <prefix>/<pipeline>/<environment>/head.json
//! <prefix>/<pipeline>/<environment>/runs/<run>/plan.json
//! <prefix>/<pipeline>/<environment>/runs/<run>/journal/<20-digit seq>.json
//! <prefix>/<pipeline>/<environment>/runs/<run>/packs/<10|100|1000>/<20-digit seq>.json
//! <prefix>/<pipeline>/<environment>/runs/<run>/decisions/<name>.json
//! ```

pub mod claims;
pub mod copy;
pub mod decisions;
pub mod error;
pub mod fsck;
pub mod head;
pub mod holder;
pub mod journal;
pub mod keys;
pub mod lease;
pub mod lock;
pub mod objects;
mod packs;
pub mod runs;
pub mod summary;
pub mod upload;

#[cfg(test)]
pub(crate) mod tests;

pub use error::StoreError;
pub use journal::Journal;
pub use keys::Keys;
pub use lease::Lease;
pub use objects::Bucket;
