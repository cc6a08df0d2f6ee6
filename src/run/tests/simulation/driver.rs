//! A driver of the model, turn by turn as the real one: read what is due, decide, write, act. It may die anywhere.

use std::collections::BTreeMap;

use super::super::fixture::at;
use super::aws::{Luck, Phase, Site};
use super::function::FunctionSite;
use super::rolling::RollingSite;
use crate::event::decision::Decision;
use crate::event::record::{Cause, Record, Side};
use crate::model::command::{Ended, Exit};
use crate::model::{Name, RunId};
use crate::plan::{Action, Plan, StepId, What};
use crate::run::State;
use crate::run::next::{PlannedCall, Stop, Turn, deaf_for_too_long, next};
use crate::run::reads::{Read, blind, calls, due};
use crate::run::settle::Call;
use crate::run::view::{Fact, View};

/// A run, its world, and whoever drives it.
pub struct Simulation {
    pub plan: Plan,
    pub sites: Vec<Site>,
    /// For lanes on functions, where sites are empty.
    pub functions: Vec<Option<FunctionSite>>,
    /// For lanes whose hosts get the release in place, where sites are empty, too.
    pub rolling: Vec<Option<RollingSite>>,
    /// The journal.
    pub records: Vec<(i64, Record)>,
    pub state: State,
    pub now: i64,
    /// Calls on their way, the dead drivers' included.
    pub(super) calls: Vec<OnTheWay>,
    pub(super) view: View,
    pending: Vec<Record>,
    pub(super) decisions: Vec<Decision>,
    pub(super) luck: Luck,
    pub(super) rng: fastrand::Rng,
    pub(super) token: u64,
    /// How often each task was done, by lane and step.
    done: BTreeMap<(usize, String), u32>,
    /// What was found wrong.
    pub wrong: Vec<String>,
}

#[derive(Clone)]
pub(super) struct OnTheWay {
    pub(super) planned: PlannedCall,
    effect_at: Option<i64>,
    pub(super) answer_at: i64,
    is_answered_well: bool,
    pub(super) token: u64,
    records: Vec<Record>,
}

impl Simulation {
    pub fn new(plan: Plan, luck: Luck, seed: u64) -> Simulation {
        let run = RunId::parse("20261121-090000-aaaa").unwrap();
        let mut simulation = Simulation {
            sites: plan.lanes().map(|lane| Site::new(lane, luck)).collect(),
            functions: plan.lanes().map(|lane| FunctionSite::new(lane, luck)).collect(),
            rolling: plan.lanes().map(|lane| RollingSite::new(lane, luck)).collect(),
            state: State::new(run, &plan),
            view: View::new(&plan),
            plan,
            records: Vec::new(),
            now: 0,
            calls: Vec::new(),
            pending: Vec::new(),
            decisions: Vec::new(),
            luck,
            rng: fastrand::Rng::with_seed(seed),
            token: 0,
            done: BTreeMap::new(),
            wrong: Vec::new(),
        };
        simulation.take_over();
        simulation
    }

    /// A new driver: it knows nothing but the journal.
    pub(super) fn take_over(&mut self) {
        self.token += 1;
        self.view = View::new(&self.plan);
        self.pending = vec![Record::DriverStarted { token: self.token, holder: "test".into() }];
        self.state = self.fold();
    }

    /// The state as the journal alone tells it.
    fn fold(&mut self) -> State {
        let mut state = State::new(self.state.run.clone(), &self.plan);
        for (seconds, record) in &self.records {
            state.apply(&self.plan, at(*seconds), record);
        }
        if state != self.state {
            self.wrong.push("the fold of the journal is another state".to_owned());
        }
        state
    }

    pub(super) fn is_unlucky(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// One turn, and the time until the next; whether the run is over.
    pub fn turn(&mut self) -> bool {
        self.answer();
        self.look();
        self.people();
        self.ears();
        let mut state = self.state.clone();
        for record in &self.pending {
            state.apply(&self.plan, at(self.now), record);
        }
        let heard = if self.view.deaf.is_some() { &[][..] } else { &self.decisions };
        let turn = next(&self.plan, &state, &self.view, heard, at(self.now));
        self.check(&state, &turn);
        for record in self.pending.drain(..).chain(turn.records.clone()) {
            self.state.apply(&self.plan, at(self.now), &record);
            self.records.push((self.now, record));
        }
        for planned in turn.calls {
            self.begin(planned);
        }
        match turn.stop {
            Some(Stop::Ended(_)) => {
                self.fold();
                return true;
            }
            Some(Stop::Paused) => self.somebody_comes_back(),
            Some(Stop::Held) => self.somebody_decides(),
            None if self.is_unlucky(self.luck.deaths) => self.die(),
            None if deaf_for_too_long(&self.state, at(self.now)).is_some() => self.let_go(),
            None if blind(&self.plan, &self.state, &mut self.view, at(self.now)).is_some() => self.let_go(),
            None => {
                let seen = due(&self.plan, &self.state, &self.view, at(self.now)).1;
                let until = seen.into_iter().chain(turn.wake.filter(|wake| *wake > at(self.now))).min();
                let nap = until.map_or(60, |until| until.duration_since(at(self.now)).as_secs());
                self.pass(nap.clamp(1, 60));
            }
        }
        false
    }

    /// Lets time pass, and takes calls to where they go.
    pub(super) fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            for site in &mut self.sites {
                site.pass(self.now, &mut self.rng);
            }
            for site in self.rolling.iter_mut().flatten() {
                site.pass(self.now, &mut self.rng);
            }
            for place in 0..self.calls.len() {
                if self.calls[place].effect_at == Some(self.now) {
                    let planned = self.calls[place].planned.clone();
                    self.calls[place].records = self.take_effect(&planned);
                }
            }
            let is_old = |call: &OnTheWay| call.effect_at.is_none_or(|at| at <= self.now);
            self.calls.retain(|call| call.token == self.token || !is_old(call));
        }
    }

    fn begin(&mut self, planned: PlannedCall) {
        if self.calls.iter().any(|call| call.planned.lane == planned.lane && call.token == self.token) {
            self.wrong.push(format!("two calls at once: {planned:?}"));
        }
        self.view.lanes[planned.lane].is_calling = true;
        let effect_at = self.now + self.rng.i64(1..20);
        let is_lost = self.is_unlucky(self.luck.calls);
        let has_effect = !is_lost || self.rng.bool();
        self.calls.push(OnTheWay {
            planned,
            effect_at: has_effect.then_some(effect_at),
            answer_at: effect_at + self.rng.i64(0..20),
            is_answered_well: !is_lost,
            token: self.token,
            records: Vec::new(),
        });
    }

    /// What a call does to the world, and what it would tell: as `engine::act` has it.
    fn take_effect(&mut self, planned: &PlannedCall) -> Vec<Record> {
        let target = self.sites[planned.lane].lane().target.clone();
        let (rng, now) = (&mut self.rng, self.now);
        if let Some(function) = &mut self.functions[planned.lane] {
            let said = function.take_effect(planned, now, rng);
            return said.unwrap_or_else(|| vec![trouble(planned, &target, "it was changed meanwhile")]);
        }
        if let (Some(rolling), false) = (&mut self.rolling[planned.lane], matches!(planned.call, Call::Task { .. })) {
            let lane = &self.state.lanes[planned.lane];
            let known: Vec<&String> = lane.deployment.iter().chain(&lane.redeployment).collect();
            let said = rolling.take_effect(planned, &known, now, rng);
            return said.unwrap_or_else(|why| vec![trouble(planned, &target, why)]);
        }
        self.take_effect_on_copies(planned, target)
    }

    fn take_effect_on_copies(&mut self, planned: &PlannedCall, target: Name) -> Vec<Record> {
        let (site, rng, now) = (&mut self.sites[planned.lane], &mut self.rng, self.now);
        let step = planned.step.clone();
        let seen = |step: &str, deployment: String| {
            let (target, step) = (target.clone(), StepId::from(step));
            vec![Record::DeploymentSeen { target, step, deployment, waits: Vec::new() }]
        };
        match &planned.call {
            Call::Create | Call::Redeploy => {
                let mark = format!("shipit:{step}");
                let lane = &self.state.lanes[planned.lane];
                let known: Vec<&String> = lane.deployment.iter().chain(&lane.redeployment).collect();
                if let Some(id) = site.find(&mark, &known, now) {
                    return seen(&step.0, id);
                }
                match site.active().cloned() {
                    Some(active) if active.mark == mark => seen(&step.0, active.id),
                    Some(_) => vec![trouble(planned, &target, "the group is busy")],
                    None => {
                        let id = site.create(&mark, planned.call == Call::Create, now, rng);
                        seen(&step.0, id)
                    }
                }
            }
            Call::Task { .. } => self.do_task(planned),
            Call::Find => site.find("shipit:create", &[], now).map_or_else(Vec::new, |id| seen("create", id)),
            Call::Compare | Call::EnsureConfig => vec![Record::StepDone { target, step, note: "the same".into() }],
            Call::MoveTraffic(id) => {
                site.go_on(id, Phase::Ready, now, rng);
                Vec::new()
            }
            Call::LetBlueGo(id) => {
                site.go_on(id, Phase::Waiting, now, rng);
                Vec::new()
            }
            Call::Stop(id) => {
                site.stop(id, now, rng);
                Vec::new()
            }
            Call::TakeOut(name) => {
                if site.named == *name {
                    self.wrong.push(format!("{name} is live and would be taken out"));
                } else {
                    site.take_out(name);
                }
                Vec::new()
            }
            Call::DeleteLeftover(name) => {
                if site.serving().contains(&name.as_str()) || site.named == *name {
                    self.wrong.push(format!("{name} serves and would be deleted"));
                } else if let Some(group) = site.groups.get_mut(name) {
                    group.gone_at.get_or_insert(now + rng.i64(30..120));
                }
                Vec::new()
            }
            call @ (Call::UpdateCode { .. }
            | Call::Publish { .. }
            | Call::Test { .. }
            | Call::CreateAlias { .. }
            | Call::DeleteAlias
            | Call::Shift { .. }
            | Call::Prune
            | Call::RestoreCode { .. }) => panic!("no call of a fleet: {call:?}"),
        }
    }

    fn do_task(&mut self, planned: &PlannedCall) -> Vec<Record> {
        let (lane, step) = (self.sites[planned.lane].lane(), planned.step.clone());
        let Some(What::Act(Action::Task { task })) = lane.step(&step).map(|step| &step.what) else {
            panic!("no task: {step}");
        };
        let target = lane.target.clone();
        let done = self.done.entry((planned.lane, step.0.clone())).or_default();
        *done += 1;
        if *done > 1 && !task.repeatable {
            self.wrong.push(format!("{step} was done twice"));
        }
        let end = if self.rng.u8(..100) < self.luck.tasks {
            Record::StepFailed { target: target.clone(), step, cause: Cause::new(Side::Condition, "exit 1") }
        } else {
            Record::StepDone { target: target.clone(), step, note: "exit 0".into() }
        };
        vec![ended(planned, &target), end]
    }

    /// Answers that have come go to the next turn.
    fn answer(&mut self) {
        let (answered, flying) = self.calls.drain(..).partition::<Vec<_>, _>(|call| call.answer_at <= self.now);
        self.calls = flying;
        for call in answered {
            let view = &mut self.view.lanes[call.planned.lane];
            view.is_calling = false;
            view.forget_pace();
            let target = self.sites[call.planned.lane].lane().target.clone();
            let has_said = call.records.iter().any(|record| matches!(record, Record::CallEnded { .. }));
            if !call.is_answered_well && matches!(call.planned.call, Call::Task { .. }) {
                let (step, attempt) = (call.planned.step.clone(), call.planned.attempt);
                self.pending.push(Record::CallLost { target, step, attempt, why: "no answer".into() });
            } else if !call.is_answered_well {
                self.pending.push(trouble(&call.planned, &target, "no answer"));
            } else if has_said {
                self.pending.extend(call.records);
            } else {
                let (step, attempt) = (call.planned.step.clone(), call.planned.attempt);
                self.pending.push(Record::CallEnded { target, step, attempt, trouble: None });
                self.pending.extend(call.records);
            }
        }
    }

    fn look(&mut self) {
        let (reads, _) = due(&self.plan, &self.state, &self.view, at(self.now));
        self.view.spent.spend(calls(&self.plan, &reads), at(self.now));
        for (place, read) in reads {
            self.view.lanes[place].tried.insert(read.clone(), at(self.now));
            if self.is_unlucky(self.luck.reads) {
                self.view.lanes[place].missed(read, "throttled".into(), at(self.now));
            } else {
                self.view.lanes[place].gaps.remove(&read);
                self.read(place, read);
            }
        }
        self.view.account(&self.plan, &self.state, at(self.now));
    }

    fn read(&mut self, place: usize, read: Read) {
        let (site, view, now) = (&self.sites[place], &mut self.view.lanes[place], self.now);
        let rolling = self.rolling[place].as_ref();
        match read {
            Read::Deployment(id) => {
                let found = rolling.map_or_else(|| site.read_deployment(&id), |it| it.read_deployment(&id));
                if let Some(deployment) = found {
                    view.saw_deployment(deployment, at(now));
                }
            }
            Read::Targets(id) => {
                let value = rolling.map_or_else(Vec::new, |it| it.read_targets(&id));
                view.targets.insert(id, Fact { value, at: at(now) });
            }
            Read::Health(arn) => {
                let health = rolling.map_or_else(|| site.read_health(now), |it| it.read_health(now));
                view.saw_health(site.lane(), &arn, health, at(now));
            }
            Read::Scaling(name) => {
                let value = rolling.map_or_else(|| site.read_group(&name), |it| Some(it.read_group(now)));
                view.scaling.insert(name, Fact { value, at: at(now) });
            }
            Read::Attempts(since) => {
                view.saw_attempts(rolling.map_or_else(Vec::new, |it| it.read_attempts(since)), at(now));
            }
            Read::Group => view.named = Some(Fact { value: vec![site.named.clone()], at: at(now) }),
            Read::Alarm(name) => {
                let alarm = match (&self.functions[place], rolling) {
                    (Some(function), _) => function.read_alarm(now),
                    (None, Some(rolling)) => rolling.read_alarm(now),
                    (None, None) => site.read_alarm(now),
                };
                view.alarms.insert(name, Fact { value: Some(alarm), at: at(now) });
            }
            Read::Probe(condition) => view.saw_probe(condition, None, at(now)),
            Read::Command(condition) => view.saw_command(condition, Ended::silent(Exit::Code(0)), at(now)),
            Read::Code(_) | Read::Alias | Read::Metrics => {
                let Some(function) = &self.functions[place] else { panic!("no read of a fleet: {read:?}") };
                if let Read::Code(version) = read {
                    if let Some(code) = function.read_code(&version, now) {
                        view.codes.insert(version, Fact { value: code, at: at(now) });
                    }
                } else if read == Read::Alias {
                    function.is_unseen.set(false);
                    view.saw_alias(site.lane(), function.alias.clone(), at(now));
                } else {
                    view.metrics = Some(Fact { value: function.read_metrics(now), at: at(now) });
                }
            }
        }
    }

    /// What must hold in every turn.
    fn check(&mut self, state: &State, turn: &Turn) {
        let moves = turn.calls.iter().any(|planned| match &planned.call {
            Call::MoveTraffic(id) | Call::LetBlueGo(id) => {
                self.sites[planned.lane].forward().is_some_and(|it| it.id == *id)
            }
            Call::Create | Call::EnsureConfig => true,
            Call::Compare
            | Call::Find
            | Call::Stop(_)
            | Call::Redeploy
            | Call::TakeOut(_)
            | Call::DeleteLeftover(_)
            | Call::DeleteAlias
            | Call::RestoreCode { .. } => false,
            Call::Shift { version, share, .. } => {
                let function = self.functions[planned.lane].as_ref();
                let stable =
                    function.and_then(|_| self.sites[planned.lane].lane().function()?.baseline.version.clone());
                share.is_some() || stable.as_ref() != Some(version)
            }
            Call::UpdateCode { .. }
            | Call::Publish { .. }
            | Call::Test { .. }
            | Call::Task { .. }
            | Call::CreateAlias { .. }
            | Call::Prune => true,
        });
        let is_slow = |planned: &PlannedCall| {
            let is_roll = planned.call == Call::Create && self.rolling[planned.lane].is_some();
            let call = &planned.call;
            is_roll
                || matches!(call, Call::MoveTraffic(_) | Call::LetBlueGo(_) | Call::Shift { .. } | Call::Task { .. })
        };
        let is_deaf =
            self.view.deaf.as_ref().is_some_and(|deaf| at(self.now).duration_since(deaf.since).as_secs() >= 30);
        if is_deaf
            && !state.is_going_back()
            && !turn.records.iter().any(|it| matches!(it, Record::RollBackBegan { .. }))
            && turn.calls.iter().any(is_slow)
        {
            self.wrong.push(format!("deaf, and yet: {:?}", turn.calls));
        }
        if moves && state.is_going_back() {
            self.wrong.push(format!("forward on the way back: {:?}", turn.calls));
        }
    }

    /// The journal's last entries and the deployments, for whoever looks for a flaw.
    pub fn tale(&self) -> String {
        let lines = self.records.iter().rev().take(60).rev().map(|(now, record)| format!("{now:>6} {}", line(record)));
        let deployments = self.sites.iter().flat_map(|site| &site.deployments).map(|dep| format!("{dep:?}"));
        let rolling = self.rolling.iter().flatten().flat_map(RollingSite::tale);
        lines.chain(deployments).chain(rolling).collect::<Vec<_>>().join("\n")
    }
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).unwrap()
}

fn ended(planned: &PlannedCall, target: &crate::model::Name) -> Record {
    let (target, step, attempt) = (target.clone(), planned.step.clone(), planned.attempt);
    Record::CallEnded { target, step, attempt, trouble: None }
}

fn trouble(planned: &PlannedCall, target: &crate::model::Name, what: &str) -> Record {
    Record::CallEnded {
        target: target.clone(),
        step: planned.step.clone(),
        attempt: planned.attempt,
        trouble: Some(what.to_owned()),
    }
}
