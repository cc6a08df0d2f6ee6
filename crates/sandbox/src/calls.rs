//! Who called what, and the ids of requests.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

/// How many calls the log remembers.
const REMEMBERED: usize = 20_000;

/// One call that came over the wire with a valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// World time.
    pub at: Timestamp,
    /// The service's signing name, such as `codedeploy`.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// What it is about: for S3 `bucket/key`, for Lambda the function as it was named, else empty.
    pub resource: String,
    /// The access key of the user that it goes back to; a role's session counts for whoever assumed the role.
    pub caller: String,
    /// What was done to it on purpose, if anything.
    pub fault: Option<&'static str>,
}

impl Call {
    /// Whether it may change anything, as its name tells.
    pub fn is_mutating(&self) -> bool {
        let reads = ["Get", "List", "Describe", "Head", "BatchGet", "Assume"];
        !reads.iter().any(|prefix| self.operation.starts_with(prefix))
    }
}

/// Counts of all calls and a log of the last ones.
#[derive(Default)]
pub struct Calls {
    rng: Option<fastrand::Rng>,
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    log: VecDeque<Call>,
}

impl Calls {
    /// Counts and remembers a call.
    pub fn add(&mut self, call: Call) {
        let counts = self.counts.entry(call.caller.clone()).or_default();
        *counts.entry(format!("{}:{}", call.service, call.operation)).or_default() += 1;
        if self.log.len() == REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(call);
    }

    /// How often a caller called each `service:Operation`, retries and answers that were lost included.
    pub fn of(&self, caller: &str) -> BTreeMap<String, u64> {
        self.counts.get(caller).cloned().unwrap_or_default()
    }

    /// The last calls in their order.
    pub fn log(&self) -> Vec<Call> {
        self.log.iter().cloned().collect()
    }

    /// The id of the next request, drawn apart from the ids of things so that reading does not change what is made.
    pub fn next_id(&mut self, world: &mut Option<fastrand::Rng>) -> u128 {
        let rng = self.rng.get_or_insert_with(|| world.get_or_insert_with(fastrand::Rng::new).fork());
        rng.u128(..)
    }
}
