//! A model of Lambda: as much as a driver sees.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::super::fixture::{alarm, at};
use super::aws::Luck;
use crate::event::record::Record;
use crate::model::lambda::{Alias, Code, LATEST, Metrics, Minute, Settings};
use crate::model::observed::Alarm;
use crate::plan::{Lane, OnFunction};
use crate::run::next::PlannedCall;
use crate::run::settle::Call;

/// One lane's world.
#[derive(Clone, Debug)]
pub struct FunctionSite {
    lane: Lane,
    code: String,
    updated_at: i64,
    /// Number, code, and when it is active.
    versions: Vec<(u64, String, i64)>,
    pub alias: Option<Alias>,
    /// Somebody moved the alias, and the driver has not looked since.
    pub is_unseen: Cell<bool>,
    /// Every route of the alias, and whether this run chose it.
    pub routes: Vec<(String, bool)>,
    revision: u64,
    /// Since when the new version gets calls.
    canary_since: Option<i64>,
    tested: u32,
    luck: Luck,
}

impl FunctionSite {
    pub fn new(lane: &Lane, luck: Luck) -> Option<FunctionSite> {
        let on = lane.function()?;
        let alias = on.baseline.version.clone().map(|version| Alias {
            version,
            weights: BTreeMap::new(),
            revision_id: on.baseline.revision_id.clone(),
        });
        Some(FunctionSite {
            lane: lane.clone(),
            code: on.baseline.code_sha256.clone(),
            updated_at: 0,
            versions: vec![(41, on.baseline.code_sha256.clone(), 0)],
            routes: alias.iter().map(|alias| (alias.route(), true)).collect(),
            alias,
            is_unseen: Cell::new(false),
            revision: 100,
            canary_since: None,
            tested: 0,
            luck,
        })
    }

    fn on(&self) -> &OnFunction {
        self.lane.function().unwrap()
    }

    fn latest_revision(&self, now: i64) -> String {
        format!("l{}-{}", self.updated_at, if now < self.updated_at { "InProgress" } else { "Successful" })
    }

    /// What a call does, and what it would tell; nothing if it was refused.
    pub fn take_effect(&mut self, planned: &PlannedCall, now: i64, rng: &mut fastrand::Rng) -> Option<Vec<Record>> {
        let target = self.lane.target.clone();
        let moved = |site: &mut FunctionSite, version: &str, weights, is_ours| {
            site.revision += 1;
            let alias = Alias { version: version.to_owned(), weights, revision_id: format!("a{}", site.revision) };
            if site.routes.last().is_none_or(|(route, _)| *route != alias.route()) {
                site.routes.push((alias.route(), is_ours));
            }
            let new = site.versions.last().map(|(number, ..)| number.to_string()).filter(|it| it != "41");
            let is_on = new.is_some_and(|new| alias.version == new || alias.weights.contains_key(&new));
            site.canary_since = if is_on { site.canary_since.or(Some(now)) } else { None };
            site.alias = Some(alias);
            vec![Record::AliasMoved { target: target.clone(), revision_id: format!("a{}", site.revision) }]
        };
        match &planned.call {
            Call::UpdateCode { revision_id } | Call::RestoreCode { revision_id } => {
                if *revision_id != self.latest_revision(now) || now < self.updated_at {
                    return None;
                }
                let on = self.on();
                let is_forward = matches!(planned.call, Call::UpdateCode { .. });
                self.code = if is_forward { on.code_sha256.clone() } else { on.baseline.code_sha256.clone() };
                self.updated_at = now + rng.i64(1..30);
                Some(Vec::new())
            }
            Call::Publish { revision_id } => {
                if *revision_id != self.latest_revision(now) {
                    return None;
                }
                if self.versions.last().is_none_or(|(_, code, _)| *code != self.code) {
                    let number = self.versions.last().map_or(1, |(number, ..)| number + 1);
                    self.versions.push((number, self.code.clone(), now + rng.i64(0..90)));
                }
                let version = self.versions.last().unwrap().0.to_string();
                Some(vec![Record::VersionSeen { target, version }])
            }
            Call::Test { .. } => {
                self.tested += 1;
                Some(Vec::new())
            }
            Call::CreateAlias { version } if self.alias.is_none() => Some(moved(self, version, BTreeMap::new(), true)),
            Call::DeleteAlias => {
                self.alias = None;
                Some(Vec::new())
            }
            Call::Shift { version, share, revision_id } => {
                if self.alias.as_ref().is_none_or(|alias| alias.revision_id != *revision_id) {
                    return None;
                }
                Some(moved(self, version, share.clone().into_iter().collect(), true))
            }
            Call::Prune => {
                let (step, note) = (planned.step.clone(), "2 versions are kept".to_owned());
                Some(vec![Record::StepDone { target, step, note }])
            }
            Call::CreateAlias { .. }
            | Call::Create
            | Call::EnsureConfig
            | Call::Compare
            | Call::MoveTraffic(_)
            | Call::LetBlueGo(_)
            | Call::Find
            | Call::Task { .. }
            | Call::Stop(_)
            | Call::Redeploy
            | Call::TakeOut(_)
            | Call::DeleteLeftover(_) => None,
        }
    }

    /// Somebody sends all calls somewhere else.
    pub fn somebody_moves(&mut self) {
        self.revision += 1;
        let alias = Alias { version: "7".into(), weights: BTreeMap::new(), revision_id: format!("a{}", self.revision) };
        self.routes.push((alias.route(), false));
        self.is_unseen.set(true);
        self.alias = Some(alias);
    }

    pub fn read_code(&self, version: &str, now: i64) -> Option<Code> {
        let code = |state: &str, update: &str, sha: &str| Code {
            version: version.to_owned(),
            state: state.to_owned(),
            update: update.to_owned(),
            code_sha256: sha.to_owned(),
            revision_id: self.latest_revision(now),
            settings: Settings::default(),
            ..Code::default()
        };
        if version == LATEST {
            return Some(code("Active", if now < self.updated_at { "InProgress" } else { "Successful" }, &self.code));
        }
        let (_, sha, active) = self.versions.iter().find(|(number, ..)| number.to_string() == version)?;
        Some(code(if now < *active { "Pending" } else { "Active" }, "", sha))
    }

    pub fn read_alarm(&self, now: i64) -> Alarm {
        let is_red = self.luck.is_bad && self.canary_since.is_some_and(|since| since + 90 <= now);
        alarm(if is_red { "ALARM" } else { "OK" })
    }

    /// A hundred calls a minute.
    pub fn read_metrics(&self, now: i64) -> Metrics {
        let since = self.canary_since.unwrap_or(now);
        let minute = |begin: i64| Minute { at: at(begin), calls: Some(100.0), errors: Some(0.0), p99: Some(90.0) };
        Metrics { canary: (since / 60..now / 60).map(|it| minute(it * 60)).collect(), ..Metrics::default() }
    }

    /// What is wrong with how it ended.
    pub fn flaws(&self, outcome: &str) -> Vec<String> {
        let mut flaws = Vec::new();
        let stable = self.on().baseline.version.clone();
        let is_home = match (&self.alias, &stable) {
            (Some(alias), Some(stable)) => alias.is_all_on(stable),
            (alias, _) => alias.is_none(),
        };
        let new = self.versions.last().unwrap().0.to_string();
        let is_new = new != "41" && self.alias.as_ref().is_some_and(|alias| alias.is_all_on(&new));
        let told = self.alias.as_ref().map(Alias::route);
        match outcome {
            // It was as the outcome says when the driver looked last.
            _ if self.is_unseen.get() => {}
            "Succeeded" if !is_new => flaws.push(format!("succeeded, but the alias is on {told:?}")),
            "RolledBack" | "Refused" if !is_home => flaws.push(format!("{outcome}, but the alias is on {told:?}")),
            _ => {}
        }
        if let Some(place) = self.routes.iter().position(|(_, is_ours)| !is_ours)
            && self.routes[place..].iter().any(|(_, is_ours)| *is_ours)
        {
            flaws.push(format!("somebody's route was overwritten: {:?}", self.routes));
        }
        flaws
    }
}
