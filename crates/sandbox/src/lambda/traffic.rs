//! Callers of a function without sockets: for virtual time.

use std::sync::Arc;

use bytes::Bytes;

use super::super::doc::doc;
use super::super::later::Later;
use super::super::world::{Scope, Site, World};

/// How often model callers call, in seconds of world time.
const TICK: i64 = 5;

/// Invokes a function, a version or an alias, named by its ARN, so many times per second of world time, with this event.
/// Zero ends it.
pub fn set_model_traffic(world: &Arc<World>, arn: &str, per_second: u32, event: &Bytes) {
    let mut parts = arn.split(':');
    let (Some(region), Some(account)) = (parts.nth(3), parts.next()) else { return };
    let site = Site { account: account.to_owned(), region: region.to_owned() };
    let before = {
        let mut state = world.lock();
        let traffic = &mut state.site(&site).lambda.traffic;
        traffic.insert(arn.to_owned(), per_second).unwrap_or(0)
    };
    if before == 0 && per_second > 0 {
        tokio::spawn(traffic(Later::of(world), site, arn.to_owned(), event.clone()));
    }
}

async fn traffic(later: Later, site: Site, arn: String, event: Bytes) {
    let scope = Scope::service(&site, "traffic");
    let input = doc! { "FunctionName" => &arn };
    let Some(mut now) = later.world().map(|world| world.now()) else { return };
    let mut count: u128 = 0;
    loop {
        // A second after the full five: no tick falls on the end of a minute.
        let next = ((now.as_second() - 1).div_euclid(TICK) + 1) * TICK + 1;
        let Some(world) = later.sleep_until(jiff::Timestamp::from_second(next).unwrap_or(now)).await else { return };
        now = world.now();
        let rate = world.lock().site(&site).lambda.traffic.get(&arn).copied().unwrap_or(0);
        if rate == 0 {
            return;
        }
        for _ in 0..u64::from(rate) * TICK.unsigned_abs() {
            count += 1;
            let id = format!("{count:032x}");
            // What it answers is in the metrics.
            let _ = super::invoke(&world, &scope, &input, event.clone(), &id).await;
        }
    }
}
