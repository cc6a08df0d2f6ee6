//! Texts as a person sees them.

mod ci;
mod ending;
mod functions;
mod log;
mod looks;
mod plan_text;
mod result;
mod samples;
mod terminal;

use super::{Invocation, Style};

/// Everything against a small screen.
const NARROW: Style = Style { colour: false, unicode: false, width: 40, wraps: false };

fn invocation() -> Invocation {
    Invocation::new("storefront", "production")
}
