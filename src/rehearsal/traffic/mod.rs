//! What users do while a release is shipped: requests at a steady rate, each sent once.
//!
//! The rate is per second of wire time and an open loop: a request is sent when its time has come, whether or not those
//! before it were answered. Half of the requests go over kept connections, half over fresh ones; one in ten is an order.

mod client;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::time::Clock;
pub use client::{Answer, Trouble};
use client::{Client, Order, Request};
pub use tally::{BASELINE, CANDIDATE, Tally};

/// What visitors look at.
const PAGES: &[&str] = &["/", "/product/teapot", "/", "/product/sencha", "/product/cup"];

/// Requests that are being sent, until it is stopped or dropped.
pub struct Traffic {
    stop: oneshot::Sender<()>,
    loops: JoinHandle<Tally>,
}

impl Traffic {
    /// Starts to send so many requests a second to the origins (`http://host:port`), in turn.
    ///
    /// # Errors
    /// An origin that is none, or whose name is not known.
    pub async fn start(origins: &[String], rate: f64, clock: Clock) -> Result<Traffic, String> {
        let mut clients = Vec::new();
        for origin in origins {
            clients.push(Arc::new(Client::new(origin).await?));
        }
        if clients.is_empty() {
            return Err("there is nothing to send traffic to".to_owned());
        }
        let (stop, stopped) = oneshot::channel();
        let loops = tokio::spawn(send(clients, rate, clock, stopped));
        Ok(Traffic { stop, loops })
    }

    /// Sends no more, waits for the answers that are under way, and says how it went.
    pub async fn stop(self) -> Tally {
        let _ended = self.stop.send(());
        self.loops.await.unwrap_or_default()
    }
}

async fn send(clients: Vec<Arc<Client>>, rate: f64, clock: Clock, mut stopped: oneshot::Receiver<()>) -> Tally {
    let mut tally = Tally::starting(clock.now());
    // Ticks that come late are made up for: the rate holds.
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let mut under_way = JoinSet::new();
    let mut count = 0;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            _ = ticks.tick() => {
                let client = Arc::clone(&clients[count % clients.len()]);
                let request = nth(count);
                under_way.spawn(async move { (client.ask(request).await, clock.now()) });
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
