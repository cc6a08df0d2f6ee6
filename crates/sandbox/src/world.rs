//! The state of everything, and how its parts reach each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::doc::Doc;
use super::hosts::Hosts;
use super::{autoscaling, calls, cloudwatch, codedeploy, ec2, elb, faults, lambda, s3, secretsmanager, ssm, sts};
use clock::Clock;

/// What a world is made with.
pub struct Settings {
    /// World time.
    pub clock: Clock,
    /// Wire time: signature dates and credential expiry. Speed 1.
    pub wire: Clock,
    /// What instances are made of.
    pub hosts: Arc<dyn Hosts>,
    /// Where ids and choices come from; equal seeds give equal worlds.
    pub seed: u64,
    /// Whether listeners open real ports on loopback. Off in virtual time, where requests come in-process.
    pub sockets: bool,
}

/// One AWS, all accounts and regions of it.
pub struct World {
    /// World time.
    pub clock: Clock,
    /// Wire time.
    pub wire: Clock,
    /// What instances are made of.
    pub hosts: Arc<dyn Hosts>,
    /// Whether listeners open real ports.
    pub sockets: bool,
    state: Mutex<State>,
}

/// What the lock guards. Never held across an await.
#[derive(Default)]
pub struct State {
    /// Ids and random choices.
    pub rng: Option<fastrand::Rng>,
    /// Users and roles with their keys.
    pub identities: sts::Identities,
    /// Who called what over the wire.
    pub calls: calls::Calls,
    /// What goes wrong on the wire.
    pub faults: faults::Faults,
    /// Buckets are global.
    pub s3: s3::Store,
    /// Everything else lives in one account and region.
    pub sites: BTreeMap<Site, Services>,
}

/// An account and a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Twelve digits.
    pub account: String,
    /// Such as `ap-northeast-2`.
    pub region: String,
}

/// The regional services of one account.
#[derive(Default)]
pub struct Services {
    /// Deployments.
    pub codedeploy: codedeploy::Store,
    /// Groups of instances.
    pub autoscaling: autoscaling::Store,
    /// Load balancers.
    pub elb: elb::Store,
    /// Metrics and alarms.
    pub cloudwatch: cloudwatch::Store,
    /// Instances and launch templates.
    pub ec2: ec2::Store,
    /// Functions.
    pub lambda: lambda::Store,
    /// Secrets.
    pub secretsmanager: secretsmanager::Store,
    /// Parameters.
    pub ssm: ssm::Store,
}

/// Who calls, and where.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Where the call goes.
    pub site: Site,
    /// The caller's ARN, as `sts get-caller-identity` says it.
    pub caller: String,
}

impl Scope {
    /// A service acting for itself inside a site, as CodeDeploy does with its service role.
    pub fn service(site: &Site, name: &str) -> Scope {
        let caller = format!("arn:aws:sts::{}:assumed-role/{name}/{name}", site.account);
        Scope { site: site.clone(), caller }
    }
}

/// An error as a service gives it; each protocol writes it in its own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// The error's name as that service writes it.
    pub code: String,
    /// What the service says.
    pub message: String,
    /// Further members, which only REST-JSON shows.
    pub details: Vec<(&'static str, String)>,
}

impl ApiError {
    /// An error by the caller, status 400.
    pub fn new(code: &str, message: impl Into<String>) -> ApiError {
        ApiError { status: 400, code: code.to_owned(), message: message.into(), details: Vec::new() }
    }

    /// The same with one more member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> ApiError {
        self.details.push((name, value.into()));
        self
    }

    /// The same with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> ApiError {
        self.status = status;
        self
    }
}

/// What an operation returns.
pub type Reply = Result<Doc, ApiError>;

impl World {
    /// An empty world.
    pub fn new(settings: Settings) -> Arc<World> {
        let state = State { rng: Some(fastrand::Rng::with_seed(settings.seed)), ..State::default() };
        Arc::new(World {
            clock: settings.clock,
            wire: settings.wire,
            hosts: settings.hosts,
            sockets: settings.sockets,
            state: Mutex::new(state),
        })
    }

    /// Locks the state. A panic elsewhere does not make the world unusable.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present world time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Calls an operation of a regional service as another service of AWS would: no wire, no signature, no faults.
    ///
    /// # Errors
    /// What the operation answers.
    pub fn call(self: &Arc<World>, scope: &Scope, service: &str, operation: &str, input: &Doc) -> Reply {
        match service {
            "autoscaling" => autoscaling::call(self, scope, operation, input),
            "codedeploy" => codedeploy::call(self, scope, operation, input),
            "elasticloadbalancing" => elb::call(self, scope, operation, input),
            "monitoring" => cloudwatch::call(self, scope, operation, input),
            "lambda" => lambda::call(self, scope, operation, input),
            "secretsmanager" => secretsmanager::call(self, scope, operation, input),
            "ssm" => ssm::call(self, scope, operation, input),
            "ec2" => ec2::call(self, scope, operation, input),
            "sts" => sts::call(self, scope, operation, input),
            _ => Err(unknown_operation(operation)),
        }
    }
}

impl State {
    /// The services of a site; an empty set if nothing was ever made there.
    pub fn site(&mut self, site: &Site) -> &mut Services {
        self.sites.entry(site.clone()).or_default()
    }

    /// A random text of this many characters out of `alphabet`.
    pub fn random_text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let rng = self.rng.get_or_insert_with(fastrand::Rng::new);
        (0..length).map(|_| letters[rng.usize(..letters.len())]).collect()
    }

    /// Lower-case hexadecimal digits, as in instance ids.
    pub fn hex(&mut self, length: usize) -> String {
        self.random_text("0123456789abcdef", length)
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let h = self.hex(32);
        format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
    }
}

/// What a service says to an operation that it does not have.
pub fn unknown_operation(operation: &str) -> ApiError {
    ApiError::new("UnknownOperationException", format!("the operation {operation} is not known here"))
}
