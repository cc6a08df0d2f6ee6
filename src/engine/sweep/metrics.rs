//! The metrics of all lanes of a site, in as few calls as there can be.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, Answers};
use crate::aws::{AwsError, Clients, Measured, Series, Trouble, VersionCalls, any_series, front_minutes, front_series};
use crate::engine::drive::Site;
use crate::model::condition::{Condition, Front};
use crate::model::expression::Measure;
use crate::model::lambda::{self, Metrics, Minute};
use crate::model::measure::Datapoint;
use crate::model::metric::MetricCondition;
use crate::plan::Lane;
use crate::run::function::version;
use crate::run::judge::conditions;
use crate::run::metrics::STABLE_BEFORE;
use crate::run::reads::Read;
use crate::run::{LaneState, State};

/// What is asked for a lane.
struct Asked {
    /// From when on the new release counts, and from when on the old one does.
    since: Timestamp,
    before: Timestamp,
    versions: Vec<VersionCalls>,
    fronts: Vec<Front>,
    others: Vec<Measure>,
}

impl Asked {
    /// The new version since its first call, and the old one since somewhat before. Both releases of a fleet stand behind one
    /// target group: there the old one is what was before, and the new one begins with the first whole minute.
    fn of(lane: &Lane, state: &LaneState, now: Timestamp) -> Asked {
        let began = lane.steps.iter().zip(&state.steps).find(|(step, _)| step.what.moves_traffic());
        let began = began.and_then(|(_, state)| state.started).unwrap_or(now);
        let (mut fronts, mut others) = (Vec::new(), Vec::new());
        for condition in conditions(lane) {
            if let Condition::Traffic { of, .. } = condition {
                fronts.clone_from(of);
            }
            others.extend(condition.metric().and_then(MetricCondition::measure));
        }
        others.sort();
        others.dedup();
        let minute = began.as_second().div_euclid(60) + i64::from(lane.function().is_none());
        let since = Timestamp::from_second(minute * 60).unwrap_or(began);
        let before = since.checked_sub(STABLE_BEFORE).unwrap_or(since);
        let versions = lane.function().map(|on| {
            let of = |version: String, since: Timestamp| VersionCalls { of: on.function.clone(), version, since };
            let canary = version(on, state).map(|version| of(version, since));
            canary.into_iter().chain(on.baseline.version.clone().map(|version| of(version, before))).collect()
        });
        Asked { since, before, versions: versions.unwrap_or_default(), fronts, others }
    }

    fn series(&self) -> Vec<Series> {
        let versions = self.versions.iter().flat_map(VersionCalls::series);
        let fronts = self.fronts.iter().flat_map(|front| front_series(front, self.before));
        versions.chain(fronts).chain(self.others.iter().map(|it| any_series(it, self.before))).collect()
    }

    /// What the answers to [`Asked::series`] say.
    fn read(&self, found: &[Measured]) -> Metrics {
        let calls = self.versions.iter().map(|version| version.series().len()).sum::<usize>();
        let (calls, rest) = found.split_at(calls.min(found.len()));
        let (requests, others) = rest.split_at(rest.len().saturating_sub(self.others.len()));
        let troubles = calls.iter().chain(requests).filter_map(|measured| measured.trouble.as_ref());
        let trouble = troubles.map(Trouble::why).next();
        let mut versions = calls.chunks(3).map(VersionCalls::minutes);
        let (mut canary, mut stable) = (versions.next().unwrap_or_default(), versions.next().unwrap_or_default());
        if !self.fronts.is_empty() {
            let is_new = |minute: &Minute| minute.at >= self.since;
            (canary, stable) = front_minutes(requests).into_iter().partition(is_new);
            // The minute in which traffic began to move is of both.
            stable.retain(|minute| minute.at + SignedDuration::from_mins(1) < self.since);
        }
        let series: BTreeMap<Measure, lambda::Series> = self
            .others
            .iter()
            .zip(others)
            .map(|(measure, found)| (measure.clone(), self.halves(measure, found)))
            .collect();
        Metrics { since: Some(self.since), canary, stable, trouble, series }
    }

    /// Whole periods before the new release, and since.
    fn halves(&self, measure: &Measure, found: &Measured) -> lambda::Series {
        let period = SignedDuration::try_from(measure.period().duration()).unwrap_or(SignedDuration::MAX);
        let is_before = |point: &&Datapoint| self.since.duration_since(point.at) >= period;
        let points = || found.points.iter();
        lambda::Series {
            before: points().filter(is_before).copied().collect(),
            after: points().filter(|point| point.at >= self.since).copied().collect(),
            trouble: found.trouble.as_ref().map(Trouble::why),
        }
    }
}

/// The metrics of these lanes.
pub(super) async fn read_metrics(
    site: &Site,
    lanes: &[&Lane],
    state: &State,
    wanted: Vec<usize>,
    now: Timestamp,
) -> Answers {
    let asked: Vec<Asked> = wanted.iter().map(|place| Asked::of(lanes[*place], &state.lanes[*place], now)).collect();
    let answers = read(&site.clients, &asked, now).await;
    let of = |place: usize| match &answers {
        Ok(all) => Ok(Answer::Metrics(all.get(place).cloned().unwrap_or_default())),
        Err(error) => Err(error.clone()),
    };
    wanted.iter().enumerate().map(|(place, lane)| (*lane, Read::Metrics, of(place))).collect()
}

async fn read(clients: &Clients, asked: &[Asked], now: Timestamp) -> Result<Vec<Metrics>, AwsError> {
    let series: Vec<Vec<Series>> = asked.iter().map(Asked::series).collect();
    let found = clients.metric_data(&series.concat(), now).await?;
    let mut rest = found.as_slice();
    let mut all = Vec::new();
    for (asked, series) in asked.iter().zip(&series) {
        let (own, more) = rest.split_at(series.len().min(rest.len()));
        rest = more;
        all.push(asked.read(own));
    }
    Ok(all)
}
