//! What happens in a run: durable [`record`]s, which make the journal, and transient [`progress`], which only the
//! screen sees.

pub mod progress;
pub mod record;

pub use progress::Progress;
pub use record::{Cause, Envelope, Record, Side};
