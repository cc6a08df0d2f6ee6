//! Programs that judge, beside the driver's loop: they take their time, and nothing waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::act::task::{facts, interrupted};
use crate::model::command::Ended;
use crate::model::condition::Condition;
use crate::plan::Plan;
use crate::probe::command::{Order, run};
use crate::run::State;
use crate::run::judge::conditions;
use crate::run::reads::Read;
use crate::run::view::View;

/// The programs that run now.
#[derive(Default)]
pub struct Programs {
    running: JoinSet<(usize, usize, Ended)>,
    /// By lane and place among its conditions: none runs twice at once.
    under_way: BTreeSet<(usize, usize)>,
}

impl Programs {
    /// Starts those that are due, and gives back what else is.
    pub fn begin(
        &mut self,
        (plan, state): (&Plan, &State),
        due: Vec<(usize, Read)>,
        view: &mut View,
        (directory, interrupt): (&Path, &watch::Receiver<bool>),
        now: Timestamp,
    ) -> Vec<(usize, Read)> {
        let (programs, rest) = due.into_iter().partition(|(_, read)| matches!(read, Read::Command(_)));
        let programs: Vec<(usize, Read)> = programs;
        for (place, read) in programs {
            let Read::Command(condition) = read else { continue };
            view.lanes[place].tried.insert(read, now);
            let Some(lane) = plan.lanes().nth(place) else { continue };
            let Some(Condition::Command { command }) = conditions(lane).nth(condition) else { continue };
            if !self.under_way.insert((place, condition)) {
                continue;
            }
            let told: BTreeMap<&'static str, String> = facts(plan, state, lane, &state.lanes[place]);
            let order = Order {
                run: command.run.clone(),
                directory: directory.to_owned(),
                facts: told,
                within: command.within.duration(),
            };
            let interrupt = interrupt.clone();
            self.running.spawn(async move { (place, condition, run(order, interrupted(interrupt)).await) });
        }
        rest
    }

    /// Waits for the next that ends; for ever, if none runs.
    pub async fn ended(&mut self) -> (usize, usize, Ended) {
        loop {
            match self.running.join_next().await {
                Some(Ok(ended)) => return ended,
                // One that panicked is not run again by this driver: it stays under way.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Takes in how one ended.
    pub fn take_in(&mut self, (place, condition, ended): (usize, usize, Ended), view: &mut View, now: Timestamp) {
        self.under_way.remove(&(place, condition));
        view.lanes[place].saw_command(condition, ended, now);
    }
}
