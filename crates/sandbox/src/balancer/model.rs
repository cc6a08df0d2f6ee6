//! Load balancers without sockets: for probes and traffic in virtual time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::hosts::Backend;
use super::super::later::Later;
use super::super::world::{Site, World};
use super::counts::{self, Outcome};
use super::proxy;
use super::route::{self, Route};

/// How often model traffic is sent, in seconds of world time.
const TICK: i64 = 5;
/// How many requests are really made per tick; each stands for many.
const SAMPLES: u64 = 20;

/// Answers a request to `localhost:PORT` through the listener that has this port; nothing if there is none.
pub async fn answer(
    world: &Arc<World>,
    authority: &str,
    request: &http::Request<Bytes>,
) -> Option<http::Response<Bytes>> {
    let (site, listener) = listener_at(world, authority)?;
    Some(once(world, &site, &listener, request, 1).await)
}

/// The largest body that is taken in-process, where it is kept whole.
pub const MAX_BODY: usize = 64 << 20;

/// Whether an authority is a load balancer's.
pub fn is_at(world: &World, authority: &str) -> bool {
    listener_at(world, authority).is_some()
}

/// Sends a load balancer (or the one of a listener), named by ARN, so many requests for `/` per second of world time,
/// without sockets: a few are really made, and each is counted many times. Zero ends it.
pub fn set_model_traffic(world: &Arc<World>, arn: &str, requests_per_second: u32) {
    let mut parts = arn.split(':');
    let (Some(region), Some(account)) = (parts.nth(3), parts.next()) else { return };
    let site = Site { account: account.to_owned(), region: region.to_owned() };
    let mut state = world.lock();
    let store = &mut state.site(&site).elb;
    let arn = store.listeners.get(arn).map_or(arn, |listener| &listener.load_balancer).to_owned();
    let Some(balancer) = store.load_balancers.get_mut(&arn) else { return };
    let before = std::mem::replace(&mut balancer.traffic, requests_per_second);
    if before == 0 && requests_per_second > 0 {
        tokio::spawn(traffic(Later::of(world), site, arn));
    }
}

async fn traffic(later: Later, site: Site, load_balancer: String) {
    let Some(mut now) = later.world().map(|world| world.now()) else { return };
    loop {
        // A second after the full five: no tick falls on the end of a minute.
        let next = ((now.as_second() - 1).div_euclid(TICK) + 1) * TICK + 1;
        let Some(world) = later.sleep_until(jiff::Timestamp::from_second(next).unwrap_or(now)).await else { return };
        now = world.now();
        let (rate, listener) = {
            let mut state = world.lock();
            let store = &mut state.site(&site).elb;
            let Some(rate) = store.load_balancers.get(&load_balancer).map(|balancer| balancer.traffic) else { return };
            (rate, store.listeners.values().find(|one| one.load_balancer == load_balancer).map(|one| one.arn.clone()))
        };
        if rate == 0 {
            return;
        }
        let Some(listener) = listener else { continue };
        let total = u64::from(rate) * TICK.unsigned_abs();
        for sample in 0..total.min(SAMPLES) {
            let count = total / total.min(SAMPLES) + u64::from(sample < total % total.min(SAMPLES));
            let request = http::Request::get("/").header("host", "localhost").body(Bytes::new()).unwrap_or_default();
            once(&world, &site, &listener, &request, count).await;
        }
    }
}

/// Answers one request, counted `count` times.
async fn once(
    world: &Arc<World>,
    site: &Site,
    listener: &str,
    request: &http::Request<Bytes>,
    count: u64,
) -> http::Response<Bytes> {
    let (host, path) = (proxy::host_of(request).to_owned(), request.uri().path().to_owned());
    let chosen = route::choose(&mut world.lock(), site, listener, &host, &path);
    let way = match chosen {
        Route::Target(way) => way,
        Route::Fixed { status, content_type, body } => return proxy::fixed(status, content_type.as_deref(), body),
        Route::NoTarget { load_balancer } => {
            counts::record_own(world, site, &load_balancer, 503, count);
            return proxy::own(503);
        }
        Route::Closed => return proxy::own(503),
    };
    let (outcome, response) = match world.hosts.backend(&way.instance, way.port) {
        None => (Outcome::NotConnected(504), proxy::own(504)),
        Some(Backend::Model(app)) => match app.answer(request) {
            None => (Outcome::NotConnected(502), proxy::own(502)),
            Some(response) => (Outcome::Answered(response.status().as_u16(), Duration::from_millis(1)), response),
        },
        Some(Backend::Tcp(address)) => proxy::send_whole(address, request.clone()).await,
    };
    counts::record(world, site, &way, outcome, count);
    response
}

fn listener_at(world: &World, authority: &str) -> Option<(Site, String)> {
    let authority: http::uri::Authority = authority.parse().ok()?;
    if !["localhost", "127.0.0.1"].contains(&authority.host()) {
        return None;
    }
    let port = authority.port_u16().unwrap_or(80);
    let state = world.lock();
    let mut listeners =
        state.sites.iter().flat_map(|(site, services)| services.elb.listeners.values().map(move |one| (site, one)));
    listeners.find(|(_, one)| one.port == port).map(|(site, one)| (site.clone(), one.arn.clone()))
}
