//! What load balancers do with requests.
//!
//! With sockets each listener has a real port on loopback and proxies HTTP/1.1 ([`Door`]); without, [`answer`] does the
//! same in-process. Both choose the target in one place and count what happened for CloudWatch. A request is sent to one
//! target, once, on a connection of its own: nothing is retried, and no connection that was kept too long can fail it.

mod counts;
mod model;
mod proxy;
mod route;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire;

pub use model::{MAX_BODY, answer, is_at, set_model_traffic};

pub(super) use counts::{Counts, publish_metrics};
pub(super) use proxy::{Door, status_of};
