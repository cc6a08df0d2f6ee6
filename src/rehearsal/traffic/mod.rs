//! What users do while a release is shipped: requests at a steady rate, each sent once.
//!
//! Functions are called by their alias, fleets are asked through their load balancer, in turn.
//!
//! The rate is per second of wire time and an open loop: a request is sent when its time has come, whether or not those
//! before it were answered. Callers of functions are so many that a busy machine could not run them all: they slow down
//! with the world. Half of the requests go over kept connections, half over fresh ones; one in ten is an order.

mod client;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::provision::{Caller, Invoked};

pub use client::{Answer, Trouble};
use client::{Client, Order, Request};
use clock::Clock;
pub use tally::{BASELINE, CANDIDATE, Tally};

/// What visitors look at.
const PAGES: &[&str] = &["/", "/product/teapot", "/", "/product/sencha", "/product/cup"];

/// How many requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Per second of wire time.
    pub per_second: f64,
    /// Whether there are fewer while the world is slowed down: as many in a minute of world time as before.
    pub follows_world: bool,
}

impl Rate {
    fn between(self, clock: Clock) -> Duration {
        let pace = if self.follows_world { clock.pace() } else { 1.0 };
        Duration::from_secs_f64(1.0 / (self.per_second * pace))
    }
}

/// Where users come in.
pub enum Door {
    /// Through a load balancer.
    Web(Client),
    /// By the alias of a function, of which this version is the baseline.
    Function {
        /// Who calls.
        caller: Caller,
        /// The version that served before.
        baseline: String,
    },
}

impl Door {
    /// The door at an origin (`http://host:port`).
    ///
    /// # Errors
    /// An origin that is none, or whose name is not known.
    pub async fn web(origin: &str) -> Result<Door, String> {
        Client::new(origin).await.map(Door::Web)
    }

    fn place(&self) -> String {
        match self {
            Door::Web(client) => format!("http://{}", client.host()),
            Door::Function { caller, .. } => caller.to_string(),
        }
    }

    async fn ask(&self, request: Request) -> Answer {
        match self {
            Door::Web(client) => client.ask(request).await,
            Door::Function { caller, baseline } => {
                let began = Instant::now();
                let invoked = caller.call().await;
                let release = |version: String| {
                    let release = if version == *baseline { BASELINE } else { CANDIDATE };
                    Some(release.to_owned()).filter(|_| !version.is_empty())
                };
                let (release, result) = match invoked {
                    Invoked::Answered(version) => (release(version), Ok(200)),
                    Invoked::Raised(version) => (release(version), Err(Trouble::Raised)),
                    Invoked::Refused(status) => (None, Ok(status)),
                    Invoked::Lost => (None, Err(Trouble::Reset)),
                };
                Answer { took: began.elapsed(), release, result }
            }
        }
    }
}

/// Requests to each door before anything is shipped.
const HANDFUL: usize = 5;

/// Sends a handful of requests to each door; says what is wrong with what serves there now, if anything is. What fails
/// before a release tells nothing of it.
pub async fn try_out(doors: &[Door]) -> Option<String> {
    for door in doors {
        let mut tally = Tally::default();
        for count in 0..HANDFUL {
            tally.add(&door.ask(nth(count)).await, jiff::Timestamp::UNIX_EPOCH);
        }
        if let Some((what, count)) = tally.troubles().next() {
            return Some(format!("{count} of {HANDFUL} requests to {} failed: {what}", door.place()));
        }
    }
    None
}

/// Requests that are being sent, until it is stopped or dropped.
pub struct Traffic {
    stop: oneshot::Sender<()>,
    loops: JoinHandle<Tally>,
}

impl Traffic {
    /// Starts to send so many requests to the doors, in turn.
    ///
    /// # Errors
    /// There is no door.
    pub fn start(doors: Vec<Door>, rate: Rate, clock: Clock) -> Result<Traffic, String> {
        if doors.is_empty() {
            return Err("there is nothing to send traffic to".to_owned());
        }
        let (stop, stopped) = oneshot::channel();
        let loops = tokio::spawn(send(doors.into_iter().map(Arc::new).collect(), rate, clock, stopped));
        Ok(Traffic { stop, loops })
    }

    /// Sends no more, waits for the answers that are under way, and says how it went.
    pub async fn stop(self) -> Tally {
        let _ended = self.stop.send(());
        self.loops.await.unwrap_or_default()
    }
}

async fn send(doors: Vec<Arc<Door>>, rate: Rate, clock: Clock, mut stopped: oneshot::Receiver<()>) -> Tally {
    let mut tally = Tally::starting(clock.now());
    let mut due = Instant::now();
    let mut under_way = JoinSet::new();
    let mut count = 0;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            () = tokio::time::sleep_until(due) => {
                // Those that come late are made up for: the rate holds.
                due += rate.between(clock);
                let door = Arc::clone(&doors[count % doors.len()]);
                // Each door gets every kind of request.
                let request = nth(count / doors.len());
                under_way.spawn(async move { (door.ask(request).await, clock.now()) });
                count += 1;
            }
            Some(answer) = under_way.join_next() => take_in(&mut tally, answer),
        }
    }
    tally.end(clock.now());
    while let Some(answer) = under_way.join_next().await {
        take_in(&mut tally, answer);
    }
    tally
}

fn take_in(tally: &mut Tally, answer: Result<(Answer, jiff::Timestamp), tokio::task::JoinError>) {
    if let Ok((answer, at)) = answer {
        tally.add(&answer, at);
    }
}

/// The kinds of requests take turns, so that every mix of them is in any twenty in a row.
fn nth(count: usize) -> Request {
    let order = match count % 20 {
        0 | 11 => Order::Post,
        _ => Order::Get(PAGES[count % PAGES.len()]),
    };
    Request { order, is_kept: count.is_multiple_of(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_kept_and_a_tenth_are_orders_of_both_kinds() {
        let requests: Vec<Request> = (0..100).map(nth).collect();
        let orders: Vec<&Request> = requests.iter().filter(|request| request.order == Order::Post).collect();
        assert_eq!(requests.iter().filter(|request| request.is_kept).count(), 50);
        assert_eq!(orders.len(), 10);
        assert_eq!(orders.iter().filter(|request| request.is_kept).count(), 5);
    }
}
