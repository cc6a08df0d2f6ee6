//! Events on instances, one after the other, and a roll over many instances.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::super::commands::{self, Diagnostics, Progress};
use super::super::deployment::{Job, TargetStatus};
use super::super::events::Event;
use super::super::groups::Known;
use super::super::quorum::{Move, Quorum};
use super::work::{End, Work};

/// The instances of one Availability Zone.
pub(super) struct Zone {
    pub(super) instances: Vec<String>,
    /// How many of them may be worked on at once.
    pub(super) quorum: Quorum,
    /// How long the zone is watched when it is done.
    pub(super) watched: Duration,
}

/// How an event ended.
pub(super) enum Ended {
    /// The agent, or the service, said so.
    Said(Diagnostics),
    /// No agent took it in time.
    NeverStarted,
}

impl Ended {
    /// The service's own events say nothing.
    pub(super) fn quiet(succeeded: bool) -> Ended {
        Ended::Said(if succeeded { Diagnostics::success(String::new()) } else { Diagnostics::unknown("") })
    }
}

impl Work {
    /// Works on instances as the quorum allows; says whether enough of them succeeded. After a stop nothing is started,
    /// and what is in flight ends first.
    pub(super) async fn roll<F, Fut>(&self, mut quorum: Quorum, instances: &[String], run: F) -> Result<bool, End>
    where
        F: Fn(String) -> Fut,
        Fut: Future<Output = Result<bool, End>>,
    {
        self.part(&mut quorum, &mut Quorum::free(instances.len()), instances, &run).await?;
        Ok(quorum.next() == Move::Done { enough: true })
    }

    /// The same, one zone after the other: each has a quorum of its own beside that of the whole, and is watched for a
    /// while when it is done.
    pub(super) async fn roll_zones<F, Fut>(&self, mut whole: Quorum, zones: Vec<Zone>, run: F) -> Result<bool, End>
    where
        F: Fn(String) -> Fut,
        Fut: Future<Output = Result<bool, End>>,
    {
        for mut zone in zones {
            self.part(&mut whole, &mut zone.quorum, &zone.instances, &run).await?;
            if zone.quorum.is_left_undone() || whole.next() == (Move::Done { enough: false }) {
                return Ok(false);
            }
            self.pause(zone.watched).await?;
        }
        Ok(whole.next() == Move::Done { enough: true })
    }

    /// Works on some of the instances as far as both quorums allow.
    async fn part<F, Fut>(
        &self,
        whole: &mut Quorum,
        part: &mut Quorum,
        instances: &[String],
        run: &F,
    ) -> Result<(), End>
    where
        F: Fn(String) -> Fut,
        Fut: Future<Output = Result<bool, End>>,
    {
        let mut rest = instances.iter();
        let mut flying = FuturesUnordered::new();
        loop {
            let may_start = whole.next() == Move::Start && part.next() == Move::Start && self.check().is_ok();
            if may_start && let Some(instance) = rest.next() {
                whole.started();
                part.started();
                flying.push(run(instance.clone()));
                continue;
            }
            match flying.next().await {
                Some(Err(End::Gone)) => return Err(End::Gone),
                Some(ended) => {
                    let succeeded = matches!(ended, Ok(true));
                    whole.ended(succeeded);
                    part.ended(succeeded);
                }
                None => return self.check(),
            }
        }
    }

    /// Lets an instance live through events; says whether it came through.
    pub(super) async fn events(&self, instance: &str, events: &[Event]) -> Result<bool, End> {
        let ignores = self.edit(|it| it.terms.ignore_stop_failures)?;
        self.set_target(instance, TargetStatus::InProgress)?;
        for (at, event) in events.iter().enumerate() {
            if at > 0 {
                self.pause(self.pace.between_events).await?;
            }
            self.check()?;
            let forgiven = ignores && event.is_of_previous();
            if !self.event(instance, *event).await? && !forgiven {
                self.set_target(instance, TargetStatus::Failed)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn event(&self, instance: &str, event: Event) -> Result<bool, End> {
        let now = self.clock.now();
        self.edit(|it| {
            let record = it.target(instance).and_then(|it| it.events.iter_mut().find(|record| record.event == event));
            if let Some(record) = record {
                record.status = TargetStatus::InProgress;
                record.started = Some(now);
            }
        })?;
        let ended = match event {
            Event::AllowTraffic => self.allow_traffic(instance).await,
            Event::BlockTraffic => self.block_traffic(instance).await,
            _ => self.command(instance, event).await,
        };
        let (status, diagnostics, stopped) = match ended {
            Err(End::Gone) => return Err(End::Gone),
            Err(stopped) => (TargetStatus::Failed, None, Some(stopped)),
            Ok(Ended::NeverStarted) => (TargetStatus::Skipped, None, None),
            Ok(Ended::Said(said)) if said.code == commands::ErrorCode::Success => {
                (TargetStatus::Succeeded, Some(said), None)
            }
            Ok(Ended::Said(said)) => (TargetStatus::Failed, Some(said), None),
        };
        let now = self.clock.now();
        self.edit(|it| {
            let Some(target) = it.target(instance) else { return };
            target.updated = now;
            if let Some(record) = target.events.iter_mut().find(|record| record.event == event) {
                (record.status, record.ended) = (status, Some(now));
                record.diagnostics = diagnostics.filter(|_| event.is_for_agent());
            }
        })?;
        stopped.map_or(Ok(status == TargetStatus::Succeeded), Err)
    }

    /// Has the host's agent run an event. A stop does not interrupt it.
    async fn command(&self, instance: &str, event: Event) -> Result<Ended, End> {
        let mut progress = commands::send(&*self.world()?, &self.site, instance, &self.id, event);
        let taken = tokio::select! {
            biased;
            taken = progress.wait_for(|now| *now != Progress::Waiting) => taken.is_ok(),
            () = self.clock.sleep(self.pace.event_start) => false,
        };
        if !taken {
            return Ok(Ended::NeverStarted);
        }
        let said = tokio::select! {
            biased;
            ended = progress.wait_for(|now| matches!(now, Progress::Ended(_))) => match ended.as_deref() {
                Ok(Progress::Ended(said)) => said.clone(),
                _ => Diagnostics::unknown("The command was lost"),
            },
            () = self.clock.sleep(self.pace.event) => Diagnostics::unknown(format!("The lifecycle event {} timed out", event.name())),
        };
        Ok(Ended::Said(said))
    }

    /// Notes what the group knows about an instance from now on.
    pub(super) fn note_instance(&self, instance: &str, healthy: bool) -> Result<(), End> {
        let (revision, launched) = self.edit(|it| (it.revision.clone(), matches!(it.job, Job::Launch(_))))?;
        self.group(|group| drop(group.instances.insert(instance.to_owned(), Known { healthy, launched, revision })))
    }
}
