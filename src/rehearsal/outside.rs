//! What came of it, seen from outside: through the API, not by what the driver said.

use std::collections::BTreeMap;

use aws_types::SdkConfig;
use serde::Serialize;

use crate::artifact::bundle::Bundle;
use crate::aws::{Aws, Clients};
use crate::error::{Failure, Kind, Result};
use crate::event::Envelope;
use crate::model::function::FunctionRef;
use crate::model::pipeline::FleetRef;
use crate::model::{Name, Pipeline, RunId};
use crate::plan::Plan;
use crate::plan::function::base64_of;
use crate::run::State;
use crate::store::{Bucket, Journal, Keys, lock};

/// A person who looks at the account, beside the driver.
pub struct Observer {
    clients: Clients,
    bucket: Bucket,
    keys: Keys,
}

/// What a target serves: by its deployment group's last successful revision, or by the version that its alias names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Live {
    /// The release, if it is one of the rehearsal's.
    pub release: Option<String>,
    /// Where its bundle lies, or the function's version.
    pub revision: String,
    /// How many targets of its load balancer are healthy; none of a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<usize>,
}

/// A run, as its journal tells.
pub struct Run {
    /// What was to be done.
    pub plan: Plan,
    /// What happened.
    pub envelopes: Vec<Envelope>,
    /// What came of it.
    pub state: State,
}

fn release_of(known: &[(&str, &Bundle)], is_of: impl Fn(&Bundle) -> bool) -> Option<String> {
    known.iter().find(|(_, bundle)| is_of(bundle)).map(|(release, _)| (*release).to_owned())
}

impl Observer {
    /// An observer with these credentials.
    ///
    /// # Errors
    /// There is no such environment.
    pub async fn new(config: &SdkConfig, pipeline: &Pipeline, environment: &Name) -> Result<Observer> {
        let place = pipeline.environments.get(environment);
        let place = place.ok_or_else(|| Failure::new(Kind::Usage, format!("there is no environment {environment}")))?;
        let clients = Aws::new(config.clone()).at(&place.region, None, "rehearsal", None).await;
        let bucket = Bucket::new(clients.s3().clone(), &pipeline.store.bucket);
        let keys = Keys::new(&pipeline.store, &pipeline.pipeline, environment);
        Ok(Observer { clients, bucket, keys })
    }

    /// What each target serves; bundles are known by their release.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn live(
        &self,
        pipeline: &Pipeline,
        known: &[(&str, &BTreeMap<Name, Bundle>)],
    ) -> Result<BTreeMap<String, Live>> {
        let mut live = BTreeMap::new();
        for (name, target) in &pipeline.targets {
            let known = known.iter().filter_map(|(release, bundles)| Some((*release, bundles.get(&target.artifact)?)));
            let known: Vec<(&str, &Bundle)> = known.collect();
            let found = match (&target.fleet, &target.function) {
                (Some(fleet), _) => self.live_fleet(fleet, &known).await?,
                (None, Some(function)) => self.live_function(function, &known).await?,
                (None, None) => None,
            };
            live.extend(found.map(|found| (name.to_string(), found)));
        }
        Ok(live)
    }

    async fn live_fleet(&self, fleet: &FleetRef, known: &[(&str, &Bundle)]) -> Result<Option<Live>> {
        let seen = self.clients.observe_fleet(fleet, &[], None).await?;
        let targets = seen.target_groups.iter().flat_map(|group| &group.targets);
        let healthy = targets.filter(|target| target.state == "healthy").count();
        Ok(seen.baseline.map(|baseline| Live {
            release: release_of(known, |bundle| baseline.revision.key == self.keys.artifact(&bundle.sha256)),
            revision: format!("s3://{}/{}", baseline.revision.bucket, baseline.revision.key),
            healthy: Some(healthy),
        }))
    }

    /// A function whose calls are shared serves no release.
    async fn live_function(&self, function: &FunctionRef, known: &[(&str, &Bundle)]) -> Result<Option<Live>> {
        let Some(alias) = self.clients.alias(function).await? else { return Ok(None) };
        let code = self.clients.code(&function.name, &alias.version).await?;
        let is_alone = alias.is_all_on(&alias.version);
        let is_of = |bundle: &Bundle| is_alone && base64_of(&bundle.sha256).as_ref() == Some(&code.code_sha256);
        let revision = format!("{}:{}", function.name, alias.route());
        Ok(Some(Live { release: release_of(known, is_of), revision, healthy: None }))
    }

    /// The run that owns the environment.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn claimed(&self) -> Result<Option<RunId>> {
        let seen = lock::read(&self.bucket, &self.keys).await?;
        Ok(seen.lock.claim.map(|claim| claim.run))
    }

    /// The last run that began.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn last_run(&self) -> Result<Option<Run>> {
        let runs = self.bucket.folders(&self.keys.runs()).await?;
        let mut runs: Vec<RunId> = runs.iter().filter_map(|name| RunId::parse(name).ok()).collect();
        runs.sort_unstable();
        for run in runs.iter().rev() {
            let (_, envelopes) = Journal::open(&self.bucket, &self.keys, run).await?;
            // A run of which nothing but the plan is there has not begun.
            if !envelopes.is_empty() {
                return self.folded(run, envelopes).await.map(Some);
            }
        }
        Ok(None)
    }

    async fn folded(&self, run: &RunId, envelopes: Vec<Envelope>) -> Result<Run> {
        let object = self.bucket.get(&self.keys.plan(run)).await?;
        let plan: Option<Plan> = object.and_then(|object| serde_json::from_slice(&object.bytes).ok());
        let plan = plan.ok_or_else(|| Failure::new(Kind::Unexpected, format!("the plan of {run} cannot be read")))?;
        let mut state = State::new(run.clone(), &plan);
        for envelope in &envelopes {
            state.apply(&plan, envelope.at, &envelope.record);
        }
        Ok(Run { plan, envelopes, state })
    }
}
