//! Rehearsals: a whole deployment in a world made for the pipeline. The world is made and asked through the API only.

pub mod inproc;
pub mod provision;
