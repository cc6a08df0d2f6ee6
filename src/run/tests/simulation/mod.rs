//! Runs in worlds that are data: a model of AWS with bad luck, drivers that die, people who decide. No calls, no waiting:
//! what is tried is [`crate::run::next`] alone.

mod aws;
mod driver;
mod function;
mod people;
mod properties;
mod rolling;
