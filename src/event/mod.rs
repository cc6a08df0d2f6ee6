//! What happens in a run: durable [`record`]s, which make the journal, and transient [`progress`], which only the screen
//! sees. People's [`decision`]s come the other way.

pub mod call;
pub mod decision;
pub mod progress;
pub mod record;

pub use call::{CallKind, Share};
pub use decision::{Decision, Wish};
pub use progress::{Doing, Progress};
pub use record::{Build, Cause, Envelope, Origin, Record, Side, VerdictKind};
