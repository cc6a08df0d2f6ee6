//! What runs in real time with real processes.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "rehearsal/hosts.rs"]
mod hosts;
