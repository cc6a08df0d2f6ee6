//! Stopping a driver before and after everything it does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use shipit::cli;
use shipit::rehearsal::inproc::Gate;
use tokio::sync::Notify;

use super::stage::{Said, Stage};

/// Where a driver is stopped: at the so-manieth request that changes something, before it arrives or after it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    pub at: usize,
    pub is_before: bool,
}

/// Counts requests that change something, and holds the one of the cut for ever.
pub struct Blade {
    cut: Option<Cut>,
    seen: AtomicUsize,
    names: Mutex<Vec<String>>,
    is_mine: Mutex<bool>,
    stopped: Notify,
    is_deaf_after: AtomicBool,
    is_deaf: AtomicBool,
}

impl Blade {
    pub fn new(cut: Option<Cut>) -> Arc<Blade> {
        Arc::new(Blade {
            cut,
            seen: AtomicUsize::new(0),
            names: Mutex::default(),
            is_mine: Mutex::default(),
            stopped: Notify::new(),
            is_deaf_after: AtomicBool::new(false),
            is_deaf: AtomicBool::new(false),
        })
    }

    /// Nothing is answered from this cut on.
    pub fn deaf_from(cut: Cut) -> Arc<Blade> {
        let blade = Blade::new(Some(cut));
        blade.is_deaf_after.store(true, Ordering::Relaxed);
        blade
    }

    /// Returns once the cut is reached.
    pub async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// What was counted, in order.
    pub fn names(&self) -> Vec<String> {
        self.names.lock().unwrap().clone()
    }

    async fn hold(&self) {
        self.is_deaf.store(self.is_deaf_after.load(Ordering::Relaxed), Ordering::Relaxed);
        self.stopped.notify_one();
        std::future::pending::<()>().await;
    }
}

impl Gate for Blade {
    fn before<'a>(&'a self, request: &'a http::Request<Bytes>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if self.is_deaf.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let Some(name) = changing(request) else { return };
            let place = self.seen.fetch_add(1, Ordering::Relaxed);
            self.names.lock().unwrap().push(name);
            let is_here = self.cut.is_some_and(|cut| cut.at == place);
            if is_here && self.cut.is_some_and(|cut| cut.is_before) {
                self.hold().await;
            }
            *self.is_mine.lock().unwrap() = is_here;
        })
    }

    fn after<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let is_here = std::mem::take(&mut *self.is_mine.lock().unwrap());
            if is_here {
                self.hold().await;
            }
        })
    }
}

/// The name of a request that changes something; the lock's beats are left out, because they come by time.
fn changing(request: &http::Request<Bytes>) -> Option<String> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    if let Some(operation) = target.and_then(|target| target.split('.').nth(1)) {
        let reads = ["Get", "List", "BatchGet", "Describe"].iter().any(|read| operation.starts_with(read));
        return (!reads).then(|| operation.to_owned());
    }
    let path = request.uri().path();
    if matches!(request.method().as_str(), "PUT" | "POST" | "DELETE") && path.contains("acme-shipit") {
        let is_beat = path.ends_with("lock.json") && request.headers().contains_key("if-match");
        return (!is_beat).then(|| format!("{} {}", request.method(), path.rsplit('/').next().unwrap_or(path)));
    }
    if path.starts_with("/2015-03-31/functions/") && request.method() != http::Method::GET {
        return Some(format!("{} {}", request.method(), path.rsplit('/').next().unwrap_or(path)));
    }
    let body = String::from_utf8_lossy(request.body());
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="))?;
    (!action.starts_with("Describe") && !action.starts_with("Get")).then(|| action.to_owned())
}

impl Stage {
    /// Runs a command until it ends or is cut off; `None` if it was cut off.
    pub async fn shipit_cut(&self, line: &str, blade: &Arc<Blade>) -> Option<Said> {
        let (mut around, caught, _stop) = self.around(blade.clone());
        let words: Vec<String> = std::iter::once("shipit").chain(line.split(' ')).map(str::to_owned).collect();
        tokio::select! {
            biased;
            () = blade.stopped.notified() => None,
            code = Box::pin(cli::run(&words, &mut around)) => Some(caught.said(code)),
        }
    }
}
