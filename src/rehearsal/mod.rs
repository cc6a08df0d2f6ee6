//! Rehearsals: a whole deployment in a world made for the pipeline. The world is made and asked through the API only.
//!
//! - [`served`]: a sandbox with real hosts on this machine
//! - [`provision`]: the world: load balancer, instances, deployment group, baseline
//! - [`pace`], [`metronome`]: how fast it lives
//! - [`traffic`]: what users do meanwhile
//! - [`driver`], [`ship`]: shipit as a process of its own, and how it is led to the end
//! - [`fault`], [`loss`]: what goes wrong on request
//! - [`releases`]: what is shipped
//! - [`outside`], [`looking`], [`routes`], [`healthy`], [`route_back`], [`document`]: what came of it
//! - [`inproc`]: the SDK without sockets

pub mod document;
pub mod driver;
pub mod fault;
pub mod healthy;
pub mod inproc;
pub mod looking;
pub mod loss;
pub mod metronome;
pub mod outside;
pub mod pace;
pub mod provision;
mod rehearse;
pub mod releases;
pub mod route_back;
pub mod routes;
pub mod served;
pub mod ship;
pub mod traffic;

pub use fault::Fault;
pub use rehearse::{Rehearsal, rehearse};
