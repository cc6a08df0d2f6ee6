//! A driver of the model, turn by turn as the real one: read what is due, decide, write, act. It may die anywhere.

use std::collections::BTreeMap;

use super::super::fixture::at;
use super::aws::{Luck, Phase, Site};
use super::function::FunctionSite;
use crate::event::decision::{Decision, Wish};
use crate::event::record::{Cause, Record, Side};
use crate::model::RunId;
use crate::model::command::{Ended, Exit};
use crate::plan::{Action, Hold, Plan, StepId, What};
use crate::run::State;
use crate::run::held::acceptance;
use crate::run::next::{PlannedCall, Stop, Turn, next};
use crate::run::reads::{Read, blind, due};
use crate::run::settle::Call;
use crate::run::view::{Fact, View};

/// A run, its world, and whoever drives it.
pub struct Simulation {
    pub plan: Plan,
    pub sites: Vec<Site>,
    /// For lanes on functions, where sites are empty.
    pub functions: Vec<Option<FunctionSite>>,
    /// The journal.
    pub records: Vec<(i64, Record)>,
    pub state: State,
    pub now: i64,
    /// Calls on their way, the dead drivers' included.
    calls: Vec<OnTheWay>,
    view: View,
    pending: Vec<Record>,
    decisions: Vec<Decision>,
    luck: Luck,
    rng: fastrand::Rng,
    token: u64,
    /// How often each task was done, by lane and step.
    done: BTreeMap<(usize, String), u32>,
    /// What was found wrong.
    pub wrong: Vec<String>,
}

#[derive(Clone)]
struct OnTheWay {
    planned: PlannedCall,
    effect_at: Option<i64>,
    answer_at: i64,
    is_answered_well: bool,
    token: u64,
    records: Vec<Record>,
}

impl Simulation {
    pub fn new(plan: Plan, luck: Luck, seed: u64) -> Simulation {
        let run = RunId::parse("20261121-090000-aaaa").unwrap();
        let mut simulation = Simulation {
            sites: plan.lanes().map(|lane| Site::new(lane, luck)).collect(),
            functions: plan.lanes().map(|lane| FunctionSite::new(lane, luck)).collect(),
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
    fn take_over(&mut self) {
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

    fn is_unlucky(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    /// One turn, and the time until the next; whether the run is over.
    pub fn turn(&mut self) -> bool {
        self.answer();
        self.look();
        self.people();
        let mut state = self.state.clone();
        for record in &self.pending {
            state.apply(&self.plan, at(self.now), record);
        }
        let turn = next(&self.plan, &state, &self.view, &self.decisions, at(self.now));
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
    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            for site in &mut self.sites {
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
        let (site, rng, now) = (&mut self.sites[planned.lane], &mut self.rng, self.now);
        let (target, step) = (site.lane().target.clone(), planned.step.clone());
        if let Some(function) = &mut self.functions[planned.lane] {
            let said = function.take_effect(planned, now, rng);
            return said.unwrap_or_else(|| vec![trouble(planned, &target, "it was changed meanwhile")]);
        }
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
        match read {
            Read::Deployment(id) => {
                if let Some(deployment) = site.read_deployment(&id) {
                    view.saw_deployment(deployment, at(now));
                }
            }
            Read::Targets(id) => {
                view.targets.insert(id, Fact { value: Vec::new(), at: at(now) });
            }
            Read::Health(arn) => view.saw_health(site.lane(), &arn, site.read_health(now), at(now)),
            Read::Scaling(name) => {
                let value = site.read_group(&name);
                view.scaling.insert(name, Fact { value, at: at(now) });
            }
            Read::Attempts(_) => view.saw_attempts(Vec::new(), at(now)),
            Read::Group => view.named = Some(Fact { value: vec![site.named.clone()], at: at(now) }),
            Read::Alarm(name) => {
                let alarm =
                    self.functions[place].as_ref().map_or_else(|| site.read_alarm(now), |it| it.read_alarm(now));
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

    /// Somebody aborts, or does in the console what was not asked for.
    fn people(&mut self) {
        if self.is_unlucky(self.luck.aborts) {
            self.decide(Wish::Abort, "abort");
        }
        for place in 0..self.sites.len() {
            if self.is_unlucky(self.luck.console) {
                let (site, now) = (&mut self.sites[place], self.now);
                if let Some(function) = &mut self.functions[place] {
                    function.somebody_moves();
                    continue;
                }
                let Some(id) = site.forward().map(|dep| dep.id.clone()) else { continue };
                match self.rng.u8(..4) {
                    0 => site.go_on(&id, Phase::Ready, now, &mut self.rng),
                    1 => site.go_on(&id, Phase::Waiting, now, &mut self.rng),
                    _ => site.stop(&id, now, &mut self.rng),
                }
            }
        }
    }

    fn decide(&mut self, what: Wish, name: &str) {
        self.decisions.push(Decision { name: name.to_owned(), by: "ann".into(), what });
    }

    /// The run waits for a person: one promotes, one aborts, or nobody does until it is too late.
    fn somebody_comes_back(&mut self) {
        self.calls.retain(|call| call.token != self.token);
        let hours = self.rng.i64(0..3);
        self.pass(60 + 3600 * hours);
        let waits: Vec<Wish> = self
            .plan
            .lanes()
            .zip(&self.state.lanes)
            .filter_map(|(lane, state)| {
                let step = &lane.steps[state.cursor()?];
                let is_approval = matches!(step.what, What::Hold(Hold::Approval { .. }));
                is_approval.then(|| Wish::Promote { target: lane.target.clone(), step: step.id.clone(), full: false })
            })
            .collect();
        match self.rng.u8(..4) {
            0 => self.decide(Wish::Abort, "abort"),
            1 => {}
            _ => waits.into_iter().for_each(|wish| {
                let Wish::Promote { target, step, .. } = &wish else { return };
                let name = format!("promote-{target}-{step}");
                self.decide(wish, &name);
            }),
        }
        self.take_over();
    }

    /// The run is held: one accepts what can be accepted, one aborts, one only looks.
    fn somebody_decides(&mut self) {
        self.calls.retain(|call| call.token != self.token);
        let away = if self.rng.u8(..10) == 0 { self.rng.i64(3600..200_000) } else { self.rng.i64(60..3600) };
        self.pass(away);
        match (self.rng.u8(..4), self.state.held.clone()) {
            (0, _) => self.decide(Wish::Abort, "abort"),
            (1, _) | (_, None) => {}
            (_, Some(held)) => {
                let number = self.state.holds;
                let wish = Wish::Accept { target: held.target.clone(), step: held.step.clone(), number };
                if acceptance(&self.plan, &self.state, &held).is_ok() {
                    self.decide(wish, &format!("accept-{number}"));
                }
            }
        }
        self.take_over();
    }

    /// Killed: calls that are on their way may still arrive, their answers do not.
    fn die(&mut self) {
        let keeps: Vec<bool> = self.calls.iter().map(|_| self.rng.bool()).collect();
        let mut keeps = keeps.into_iter();
        self.calls.retain(|_| keeps.next().unwrap_or(false));
        for call in &mut self.calls {
            call.token = 0;
            call.answer_at = i64::MAX;
        }
        let away = if self.rng.u8(..10) == 0 { self.rng.i64(600..20_000) } else { self.rng.i64(1..120) };
        self.pass(away);
        self.take_over();
    }

    /// Nothing can be read: it lets go, and another one comes an hour later.
    fn let_go(&mut self) {
        let why = "nothing can be read".to_owned();
        let record = Record::Detached { why };
        self.state.apply(&self.plan, at(self.now), &record);
        self.records.push((self.now, record));
        self.die();
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
        if moves && state.is_going_back() {
            self.wrong.push(format!("forward on the way back: {:?}", turn.calls));
        }
    }

    /// The journal's last entries and the deployments, for whoever looks for a flaw.
    pub fn tale(&self) -> String {
        let lines = self.records.iter().rev().take(60).rev().map(|(now, record)| format!("{now:>6} {}", line(record)));
        let deployments = self.sites.iter().flat_map(|site| &site.deployments).map(|dep| format!("{dep:?}"));
        lines.chain(deployments).collect::<Vec<_>>().join("\n")
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
