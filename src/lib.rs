//! shipit puts new releases into production on AWS without anyone noticing.
//!
//! # Bird's-eye view
//! A **pipeline** (YAML) names artifacts, targets and environments. `shipit` bundles the artifacts, puts them in S3
//! under their content hash, and drives a **run** of an immutable **plan**. Everything a run knows is in the bucket, so
//! any machine can resume, promote, abort or roll it back. The **sandbox** is an embedded AWS with real processes and
//! real traffic in which all of it can be rehearsed.
//!
//! # Code map
//! Folders are the architecture; `tests/tidy.rs` enforces which may use which.
//!
//! - [`clock`] (a member of the workspace): the one clock that every part is given
//! - [`error`]: failures whose kind decides the exit code
//! - [`model`]: the nouns
//! - [`config`], [`yaml`], [`artifact`]: what goes in: the pipeline file and bundles, with every problem at its place
//! - [`plan`]: what a run will do, as data
//! - [`event`]: what happened; the journal is a list of records
//! - [`run`]: the decisions of a run, pure
//! - [`release`]: which release follows which, and where a rollback goes, pure
//! - [`engine`]: the loop that reads, decides, records and acts
//! - [`store`]: the bucket: journal, lock, decisions, artifacts
//! - [`aws`], [`probe`]: SDK clients, read-only sweeps, the calls that change something; requests to the live listener
//! - `exchange`: one HTTP request through the SDK's client, for what no SDK crate does
//! - [`report`]: what people and machines are told
//! - [`sandbox`] (a member of the workspace): the embedded AWS
//! - [`rehearsal`]: a world made for a pipeline, its users, and shipit as a process in it
//! - [`cli`]: one file per command
//!
//! # Invariants
//! - nothing outside `report` and `cli` prints
//! - `sandbox` uses nothing of shipit but the clock
//! - nothing below `cli` and `rehearsal` knows that a sandbox exists

pub mod artifact;
pub mod aws;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
mod exchange;
pub mod model;
pub mod plan;
pub mod probe;
pub mod rehearsal;
pub mod release;
pub mod report;
pub mod run;
pub mod store;
pub mod yaml;
