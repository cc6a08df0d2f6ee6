//! The loop.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::act::task::{Hands, facts};
use super::act::{Act, Acted, Marks};
use super::ears::Hearing;
use super::keeper::Keeper;
use super::pace::Pace;
use super::programs::Programs;
use super::sweep::sweep;
use crate::aws::{Class, Clients};
use crate::event::record::{Envelope, Outcome, Record};
use crate::plan::{Lane, Plan};
use crate::probe::Prober;
use crate::run::next::{Stop, deaf_for_too_long, next, wishes};
use crate::run::reporter::{Reporter, Reporters};
use crate::run::settle::Call;
use crate::run::view::View;
use crate::run::{RunStatus, State, reads};
use crate::store::journal::Append;
use crate::store::lease::Guard;
use crate::store::summary::summarize;
use crate::store::{Bucket, Journal, Keys, Lease, StoreError, claims, decisions, head};
use clock::Clock;

/// How long an interrupted driver waits for the call in flight (wire time).
const FAREWELL: Duration = Duration::from_millis(2500);

/// How long a driver that begins waits for what was decided before (wire time).
const FIRST_LOOK: Duration = Duration::from_secs(20);

/// How long credentials that do not work are tried again (wire time).
const RENEWED: Duration = Duration::from_secs(60);

/// Calls that change something and are under way side by side: hundreds at once would only be throttled.
const AT_ONCE: usize = 8;

/// How long each of its last writes may take (wire time); all together stay under five seconds.
pub(super) const LAST_WRITE: Duration = Duration::from_secs(1);

/// An account and region of the plan, with clients.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its clients; their changing calls ask the lease guard.
    pub clients: Clients,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driven {
    /// The run is over.
    Ended(Outcome),
    /// It waits for a person.
    Paused,
    /// Something failed, and a person decides what becomes of it.
    Held,
    /// The driver let go: why.
    Detached(String),
    /// It let go because its credentials do not work any more: what AWS says.
    LockedOut(String),
    /// Another driver has taken over.
    Fenced,
}

/// Drives one run.
pub struct Driver {
    /// What is done.
    pub plan: Arc<Plan>,
    /// Where it stands.
    pub state: State,
    /// One per site of the plan.
    pub sites: Vec<Site>,
    /// Asks for pages.
    pub prober: Prober,
    /// Where programs are run.
    pub directory: PathBuf,
    /// Where the run is kept.
    pub bucket: Bucket,
    /// Where in it.
    pub keys: Keys,
    /// At its tail.
    pub journal: Journal,
    /// Held.
    pub lease: Lease,
    /// World time.
    pub clock: Clock,
    /// Who is told.
    pub reporters: Reporters,
    /// How often it looks up.
    pub pace: Pace,
    /// Turns true when the driver is to let go.
    pub interrupt: watch::Receiver<bool>,
    /// Who drives, for people.
    pub holder: String,
}

impl Driver {
    /// Drives until the run is over, waits for a person, or has to be let go; then gives the lease back.
    ///
    /// # Errors
    /// The store cannot be used any more; the run can be resumed.
    pub async fn drive(self) -> (Result<Driven, StoreError>, State, String) {
        let Driver {
            plan,
            state,
            sites,
            prober,
            directory,
            bucket,
            keys,
            journal,
            lease,
            clock,
            reporters,
            pace,
            interrupt,
            holder,
        } = self;
        let (guard, token) = (lease.guard(), lease.token());
        let keeper = Keeper::start(lease);
        let hearing = Hearing::new(&bucket, &keys, &state.run);
        let mut driving = Driving {
            view: View::new(&plan),
            plan,
            state,
            sites,
            prober,
            directory,
            bucket,
            keys,
            journal,
            clock,
            reporters,
            pace,
            token,
            guard,
            pending: vec![Record::DriverStarted { token, holder }],
            hearing,
            acts: JoinSet::new(),
            programs: Programs::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            began: Instant::now(),
            next_decisions: clock.now(),
            wake: None,
            has_moved: false,
            last_progress: None,
            expired: None,
            locked_out: None,
            interrupt,
        };
        let result = Box::pin(driving.run()).await;
        driving.acts.abort_all();
        let is_over = matches!(result, Ok(Driven::Ended(_)));
        if is_over {
            let (summary, live) = summarize(&driving.plan, &driving.state);
            let end = head::End::of(&driving.journal);
            let added = head::add(&driving.bucket, &driving.keys, (&summary, end), &live);
            // A cache: it is made again from the journals.
            let _ = tokio::time::timeout(10 * LAST_WRITE, added).await;
            let things = claims::of_ended(&driving.plan, &live);
            let given = claims::give_back(&driving.bucket, &driving.keys, &driving.state.run, &things);
            // What stays is an orphan, which stands in nobody's way.
            let _ = tokio::time::timeout(10 * LAST_WRITE, given).await;
        }
        keeper.release(is_over).await;
        if let Err(error) = driving.reporters.finish() {
            // The run is what it is; whoever reads what is missing has to know.
            driving.reporters.note(driving.clock.now(), &error.to_string());
        }
        (result, driving.state, driving.journal.head().to_owned())
    }
}

struct Driving {
    plan: Arc<Plan>,
    state: State,
    view: View,
    sites: Vec<Site>,
    prober: Prober,
    directory: PathBuf,
    bucket: Bucket,
    keys: Keys,
    journal: Journal,
    clock: Clock,
    reporters: Reporters,
    pace: Pace,
    token: u64,
    guard: Guard,
    /// Records of acts that have ended, for the next turn.
    pending: Vec<Record>,
    hearing: Hearing,
    acts: JoinSet<Acted>,
    programs: Programs,
    /// A call that changes something waits for one of these.
    turns: Arc<Semaphore>,
    began: Instant,
    next_decisions: Timestamp,
    /// When time alone changes something.
    wake: Option<Timestamp>,
    /// Whether the last turn recorded something: what follows from it is done at once.
    has_moved: bool,
    last_progress: Option<Instant>,
    expired: Option<String>,
    /// Since when AWS takes the credentials for nothing.
    locked_out: Option<Instant>,
    interrupt: watch::Receiver<bool>,
}

impl Driving {
    async fn run(&mut self) -> Result<Driven, StoreError> {
        let mut interrupt = self.interrupt.clone();
        // Its last driver was killed before it could give the claim back.
        if let RunStatus::Ended(outcome) = self.state.status {
            return Ok(Driven::Ended(outcome));
        }
        // What was decided before comes first. An endless wait for it would be none the wiser.
        self.hear();
        tokio::select! {
            biased;
            _ = interrupt.changed() => {}
            missed = self.hearing.ended() => self.take_in_hearing(missed),
            () = tokio::time::sleep(FIRST_LOOK) => {}
        }
        loop {
            if *interrupt.borrow_and_update() {
                return self.detach("interrupted").await;
            }
            let turn = tokio::select! {
                biased;
                _ = interrupt.changed() => continue,
                turn = Box::pin(self.turn()) => match turn {
                    // Whatever keeps this process from the store, another one may come through with the same run.
                    Err(StoreError::Aws(error)) if error.class == Class::Expired => {
                        return self.lock_out(&error.to_string()).await;
                    }
                    Err(StoreError::Aws(error)) => {
                        return self.detach(&format!("the store cannot be used: {error}")).await;
                    }
                    turn => turn?,
                },
            };
            match turn {
                Some(driven) => return Ok(driven),
                None if self.expired.is_some() => {
                    let why = self.expired.take().unwrap_or_default();
                    return self.lock_out(&why).await;
                }
                None => {}
            }
            let now = self.clock.now();
            if let Some(why) = reads::blind(&self.plan, &self.state, &mut self.view, now) {
                return self.detach(&format!("nothing can be read for 20 minutes: {why}")).await;
            }
            // What is under way somewhere else, such as a migration, is not broken off for that.
            if let Some(why) = deaf_for_too_long(&self.state, now).filter(|_| self.acts.is_empty()) {
                return self.detach(&why).await;
            }
            let nap = self.nap();
            tokio::select! {
                biased;
                _ = interrupt.changed() => {}
                missed = self.hearing.ended() => self.take_in_hearing(missed),
                Some(acted) = self.acts.join_next() => self.take_in(acted),
                ended = self.programs.ended() => self.programs.take_in(ended, &mut self.view, self.clock.now()),
                () = tokio::time::sleep(nap) => {}
            }
            while let Some(acted) = self.acts.try_join_next() {
                self.take_in(acted);
            }
        }
    }

    /// One turn: read, decide, make durable, act.
    async fn turn(&mut self) -> Result<Option<Driven>, StoreError> {
        if self.guard.is_lost() {
            return Ok(Some(Driven::Fenced));
        }
        self.hear();
        let now = self.clock.now();
        let (due, _) = reads::due(&self.plan, &self.state, &self.view, now);
        let here = (self.directory.as_path(), &self.interrupt);
        let due = self.programs.begin((&self.plan, &self.state), due, &mut self.view, here, now);
        if !due.is_empty() {
            self.view.spent.spend(reads::calls(&self.plan, &due), now);
            let locked_out = sweep(&self.plan, &self.state, &self.sites, &self.prober, due, &mut self.view, now).await;
            self.is_locked_out(locked_out);
        }
        let now = self.clock.now();
        self.view.account(&self.plan, &self.state, now);
        let mut state = self.state.clone();
        for record in &self.pending {
            state.apply(&self.plan, now, record);
        }
        self.view.deaf = self.hearing.deaf(now);
        let turn = next(&self.plan, &state, &self.view, self.hearing.heard(), now);
        let records: Vec<Record> = self.pending.iter().chain(&turn.records).cloned().collect();
        self.has_moved = !records.is_empty();
        if self.has_moved {
            match self.journal.append(now, self.token, &records).await? {
                Append::Done(seq) => self.publish(records, seq, now),
                Append::Fenced => return self.is_fenced().await,
            }
            self.pending.clear();
        }
        for planned in turn.calls {
            self.begin(planned);
        }
        self.show(&turn.progress, now);
        self.wake = turn.wake;
        Ok(turn.stop.map(|stop| match stop {
            Stop::Ended(outcome) => Driven::Ended(outcome),
            Stop::Paused => Driven::Paused,
            Stop::Held => Driven::Held,
        }))
    }

    /// Credentials that do not work may be renewed by whoever made them; for a while that is waited for.
    fn is_locked_out(&mut self, why: Option<String>) {
        let since = self.locked_out.filter(|_| why.is_some()).or_else(|| why.is_some().then(Instant::now));
        self.locked_out = since;
        if since.is_some_and(|since| since.elapsed() >= RENEWED) {
            self.expired = why;
        }
    }

    /// Somebody else wrote the next entry. A driver that has just begun may meet the last word of the one before it, sent
    /// before the lease changed hands: it takes that in and decides anew. Everybody else has been replaced.
    async fn is_fenced(&mut self) -> Result<Option<Driven>, StoreError> {
        if self.state.token >= self.token || self.guard.is_lost() {
            return Ok(Some(Driven::Fenced));
        }
        for envelope in self.journal.catch_up().await? {
            self.reporters.on(&self.plan, &self.state, &envelope);
            self.state.apply(&self.plan, envelope.at, &envelope.record);
        }
        if self.state.token >= self.token {
            return Ok(Some(Driven::Fenced));
        }
        Ok(self.state.status.outcome().map(Driven::Ended))
    }

    /// Reporters are told after records are durable, never before.
    fn publish(&mut self, records: Vec<Record>, seq: u64, at: Timestamp) {
        for record in records {
            let envelope = Envelope { run: self.state.run.clone(), at, seq, record };
            self.reporters.on(&self.plan, &self.state, &envelope);
            self.state.apply(&self.plan, at, &envelope.record);
        }
    }

    fn begin(&mut self, planned: crate::run::next::PlannedCall) {
        let Some(lane) = self.plan.lanes().nth(planned.lane).cloned() else { return };
        let lane_state = &self.state.lanes[planned.lane];
        let known = lane_state.deployment.iter().chain(&lane_state.redeployment).cloned().collect();
        let started = self.state.started.as_ref().map_or(self.clock.now(), |(_, _, at)| *at);
        let marks = Marks {
            run: self.state.run.clone(),
            since: started.checked_sub(SignedDuration::from_mins(5)).unwrap_or(started),
        };
        let revision = self.revision(&lane);
        self.view.lanes[planned.lane].is_calling = true;
        let clients = self.sites[lane.site].clients.clone();
        let place = planned.lane;
        let (target, step, attempt) = (lane.target.clone(), planned.step.clone(), planned.attempt);
        let is_task = matches!(planned.call, Call::Task { .. });
        let ended = move |why: &str, is_begun: bool| match is_task && is_begun {
            true => Record::CallLost { target, step, attempt, why: why.to_owned() },
            false => Record::CallEnded { target, step, attempt, trouble: Some(why.to_owned()) },
        };
        let guard = self.guard.clone();
        let version = lane_state.version.clone();
        let hands = Hands {
            directory: self.directory.clone(),
            facts: facts(&self.plan, &self.state, &lane, lane_state),
            prober: self.prober.clone(),
            interrupt: self.interrupt.clone(),
        };
        let act = Act { planned, lane, intent: self.plan.intent, revision, known, version, marks, hands };
        let turns = Arc::clone(&self.turns);
        self.acts.spawn(async move {
            // A task may take hours, and others must not wait for that; it is no call to AWS, which would ask the guard.
            let turn = match is_task {
                true => guard.check().map(|()| None),
                false => turns.acquire().await.map(Some).map_err(|_| "the driver let go".to_owned()),
            };
            let _turn = match turn {
                Ok(turn) => turn,
                Err(why) => {
                    let records = vec![ended(&format!("{why} before the call was made"), false)];
                    return Acted { lane: place, records, expired: None };
                }
            };
            let acted = AssertUnwindSafe(act.run(clients)).catch_unwind().await;
            acted.unwrap_or_else(|_| Acted {
                lane: place,
                records: vec![ended("the call broke off by a defect of shipit", true)],
                expired: None,
            })
        });
    }

    fn revision(&self, lane: &Lane) -> crate::model::Revision {
        self.state.revisions.get(&lane.target).unwrap_or(&lane.revision).clone()
    }

    fn take_in(&mut self, acted: Result<Acted, tokio::task::JoinError>) {
        // Not answered: it was aborted with the driver.
        let Ok(acted) = acted else { return };
        let view = &mut self.view.lanes[acted.lane];
        view.is_calling = false;
        view.forget_pace();
        self.pending.extend(acted.records);
        if acted.expired.is_some() {
            self.expired = acted.expired;
        }
    }

    /// Begins to look for decisions, if it is time.
    fn hear(&mut self) {
        if self.clock.now() < self.next_decisions {
            return;
        }
        let (world, wire) = self.pace.decisions;
        let every = world.max(wire.mul_f64(self.clock.speed()));
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
        self.next_decisions = self.clock.now().checked_add(every).unwrap_or(self.next_decisions);
        let expected = wishes(&self.plan, &self.state).iter().map(decisions::name_of).collect();
        self.hearing.begin(expected, &self.state.decisions);
    }

    fn take_in_hearing(&mut self, missed: Option<String>) {
        if let Some(why) = missed {
            self.reporters.note(self.clock.now(), &format!("what people decide cannot be read: {why}"));
        }
    }

    fn show(&mut self, progress: &[crate::event::Progress], now: Timestamp) {
        if self.last_progress.is_none_or(|last| last.elapsed() >= self.pace.progress) {
            self.last_progress = Some(Instant::now());
            self.reporters.progress(progress, now, self.began.elapsed());
        }
    }

    /// How long nothing needs to be done (wire time).
    fn nap(&self) -> Duration {
        let now = self.clock.now();
        let (due, next) = reads::due(&self.plan, &self.state, &self.view, now);
        if !due.is_empty() || !self.pending.is_empty() || self.has_moved {
            // Something is due at once; a breath keeps a failing read from spinning.
            return Duration::from_millis(10);
        }
        let wake = self.wake.filter(|wake| *wake > now);
        let until = [next, wake].into_iter().flatten().fold(self.next_decisions, Timestamp::min);
        let world = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        // A little late each time, so that many drivers do not ask at the same moments.
        let late = 1.0 + fastrand::f64() / 20.0;
        world.div_f64(self.clock.speed()).mul_f64(late).min(self.pace.progress).max(Duration::from_millis(1))
    }

    /// Lets go because nothing is done for these credentials any more.
    async fn lock_out(&mut self, why: &str) -> Result<Driven, StoreError> {
        self.detach(&format!("credentials do not work any more: {why}"))
            .await
            .map(|_| Driven::LockedOut(why.to_owned()))
    }

    /// Lets go: the call in flight has a moment, then the records of what is known, whatever AWS does.
    async fn detach(&mut self, why: &str) -> Result<Driven, StoreError> {
        self.turns.close();
        let deadline = Instant::now() + FAREWELL;
        while let Ok(Some(acted)) = tokio::time::timeout_at(deadline, self.acts.join_next()).await {
            self.take_in(acted);
        }
        let now = self.clock.now();
        let mut records = std::mem::take(&mut self.pending);
        records.push(Record::Detached { why: why.to_owned() });
        let append = tokio::time::timeout(LAST_WRITE, self.journal.append(now, self.token, &records)).await;
        if let Ok(Ok(Append::Done(seq))) = append {
            self.publish(records, seq, now);
        }
        Ok(Driven::Detached(why.to_owned()))
    }
}
