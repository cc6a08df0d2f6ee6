//! The embedded AWS: a world of services, hosts and traffic that speaks the AWS wire protocols.
//!
//! One emulator, three uses: the rehearsal that a newcomer runs first, the world that tests run in, and a server that
//! any AWS client can talk to. It follows the behaviour of the real services as they document and show it (states, error
//! codes, ids, timing); an operation that it does not know gets the service's own "unknown operation".
//!
//! # Map
//! - [`front`]: [`Sandbox::handle`](front::Sandbox::handle), the one entry for sockets and in-process clients: signature,
//!   protocol, faults, dispatch
//! - [`doc`], [`wire`]: the value that all protocols are decoded to, and one codec per protocol
//! - [`faults`], [`calls`]: what goes wrong on the wire on request, and who called what
//! - [`world`]: the state of all accounts and regions, and [`World::call`](world::World::call), by which one service
//!   uses another as the real ones do: through its API
//! - `s3`, `sts`, `codedeploy`, `autoscaling`, `elb`, `cloudwatch`, `ec2`, `lambda`: the services
//! - `hosts`: what instances are: directories and processes (real) or scripts (model), with the deployment agent
//! - `balancer`: what load balancers do with requests
//! - `input`, `later`: what operations ask of their inputs; tasks that wait on the world's clock
//!
//! Services keep their state in [`world::State`] under one lock that is never held across an await. What takes time
//! (a launch, a drain, a deployment) is a task of the world that sleeps on the world's clock.

pub mod autoscaling;
pub mod balancer;
pub mod calls;
pub mod cloudwatch;
pub mod codedeploy;
pub mod doc;
pub mod ec2;
pub mod elb;
pub mod faults;
pub mod front;
pub mod hosts;
pub mod input;
pub mod lambda;
pub mod later;
pub mod s3;
pub mod secretsmanager;
pub mod ssm;
#[cfg(test)]
mod stage;
pub mod sts;
pub mod wire;
pub mod world;

pub use front::Sandbox;
pub use world::{Settings, World};
