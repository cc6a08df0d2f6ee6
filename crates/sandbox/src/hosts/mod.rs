//! What instances are made of, and the deployment agent on them. What functions run on is handed through here: a world
//! has real hosts and real functions, or models of both.

pub mod agent;
pub mod confine;
pub mod model;
pub(super) mod processes;
pub mod real;
pub mod supervisor;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::lambda::environment::Environments;
use super::lambda::model::ModelEnvironments;
use super::world::{Site, World};

/// An instance as its host needs to know it.
#[derive(Clone, Debug)]
pub struct Launched {
    /// `i-` and 17 hexadecimal digits.
    pub id: String,
    /// Where it runs.
    pub site: Site,
}

/// What instances are made of: directories and processes, or scripts in virtual time.
pub trait Hosts: Send + Sync {
    /// An instance has booted: its host exists from now on and its agent starts to poll. Called once per instance, not
    /// under the world's lock. It must return at once; what takes time is a task.
    fn launch(&self, world: &Arc<World>, instance: &Launched);

    /// The instance is gone: its processes are killed, its directory is removed. Returns at once; does nothing if there is no such host.
    fn terminate(&self, id: &str);

    /// How to reach `port` of the instance; `None` if there is no such host.
    fn backend(&self, id: &str, port: u16) -> Option<Backend>;

    /// What functions run on.
    fn functions(&self) -> &dyn Environments {
        &ModelEnvironments
    }
}

/// The far end of a connection from a load balancer to an instance.
#[derive(Clone)]
pub enum Backend {
    /// A real process; it may not listen.
    Tcp(SocketAddr),
    /// A model that answers at once.
    Model(Arc<dyn ModelApp>),
}

/// An application on a model host.
pub trait ModelApp: Send + Sync {
    /// Answers one request; `None` if nothing listens.
    fn answer(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>>;
}
