//! The one entry: signature, protocol, faults, dispatch.

use std::sync::Arc;

use bytes::Bytes;

use super::world::{Settings, World};

/// The embedded AWS behind one function.
#[derive(Clone)]
pub struct Sandbox {
    /// What it is about.
    pub world: Arc<World>,
}

/// The connection breaks without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl Sandbox {
    /// An empty AWS.
    pub fn new(settings: Settings) -> Sandbox {
        Sandbox { world: World::new(settings) }
    }

    /// Answers one request, from a socket or in-process. A request whose authority is a load balancer's goes there;
    /// every other is for the service that its signature names.
    ///
    /// # Errors
    /// A fault broke the connection; whether the request took effect is not said.
    pub async fn handle(&self, _request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Dropped> {
        Err(Dropped)
    }
}
