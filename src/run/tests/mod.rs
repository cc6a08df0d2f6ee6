//! The decisions of a run as tables, and as properties over simulated worlds.

mod commands;
mod deciding;
pub(super) mod fixture;
mod function;
mod hearing;
mod holding;
mod judging;
mod pacing;
mod restoring;
mod rolling;
mod settling;
mod simulation;
mod tasks;
mod totality;
mod waits;
