//! What people do meanwhile, and what becomes of drivers.

use super::super::fixture::at;
use super::aws::Phase;
use super::driver::Simulation;
use crate::event::decision::{Decision, Wish};
use crate::event::record::Record;
use crate::plan::{Hold, What};
use crate::run::held::acceptance;
use crate::run::view::Deaf;

impl Simulation {
    /// What people decide cannot be read, for a while.
    pub(super) fn ears(&mut self) {
        if self.luck.deaf == 0 {
            return;
        }
        let (begins, ends) = (self.is_unlucky(self.luck.deaf), self.is_unlucky(5));
        match &self.view.deaf {
            None if begins => {
                self.view.deaf = Some(Deaf { since: at(self.now), why: "denied".into(), needs: None });
            }
            Some(_) if ends => self.view.deaf = None,
            Some(_) | None => {}
        }
    }

    /// Somebody aborts, or does in the console what was not asked for.
    pub(super) fn people(&mut self) {
        if self.is_unlucky(self.luck.aborts) {
            self.decide(Wish::Abort, "abort");
        }
        for place in 0..self.sites.len() {
            if self.rolling[place].is_some()
                && self.is_unlucky(self.luck.hosts)
                && let Some(rolling) = &mut self.rolling[place]
            {
                rolling.hosts_change(self.now, &mut self.rng);
            }
            if self.is_unlucky(self.luck.console) {
                let (site, now) = (&mut self.sites[place], self.now);
                if let Some(function) = &mut self.functions[place] {
                    function.somebody_moves();
                    continue;
                }
                if let Some(rolling) = &mut self.rolling[place] {
                    rolling.somebody_stops(now, &mut self.rng);
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
    pub(super) fn somebody_comes_back(&mut self) {
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
    pub(super) fn somebody_decides(&mut self) {
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
    pub(super) fn die(&mut self) {
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
    pub(super) fn let_go(&mut self) {
        let why = "nothing can be read".to_owned();
        let record = Record::Detached { why };
        self.state.apply(&self.plan, at(self.now), &record);
        self.records.push((self.now, record));
        self.die();
    }
}
