//! What runs in real time with real processes.

#[path = "rehearsal/hosts.rs"]
mod hosts;
