//! Verdicts on a version's own metrics. Only whole minutes count; what CloudWatch did not say is not zero; fewer calls than
//! were asked for decide nothing.

use jiff::{SignedDuration, Timestamp};

use super::judge::Verdict;
use crate::model::lambda::{Metrics, Minute};
use crate::model::metric::{ErrorsLimit, MetricCondition};

/// The last minutes that always count, and how far back more are taken until there are enough calls.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
const REACH: SignedDuration = SignedDuration::from_mins(60);

/// How far before the first shift the old version's calls may count.
pub const STABLE_BEFORE: SignedDuration = SignedDuration::from_mins(60);

/// With this probability of being wrong a version is called worse; the confidence is the rest.
const WRONG: f64 = 0.001;
const CONFIDENCE: &str = "99.9%";

/// Judges one condition by what both versions did.
pub fn judge_metric(condition: &MetricCondition, metrics: &Metrics, now: Timestamp) -> Verdict {
    let least = f64::from(condition.min_requests);
    match (&condition.errors, &condition.p99) {
        (Some(ErrorsLimit::Below(limit)), _) => {
            let canary = Counts::of(&metrics.canary, least, now);
            if canary.calls < least {
                return few(&canary, condition);
            }
            let said = canary.said();
            let is_below = canary.errors * 10_000.0 < f64::from(limit.hundredths()) * canary.calls;
            if is_below { Verdict::Pass(said) } else { Verdict::Fail(format!("{said}, limit {limit}")) }
        }
        (Some(ErrorsLimit::NotWorse), _) => {
            let canary = Counts::of(&metrics.canary, least, now);
            if canary.calls < least {
                return few(&canary, condition);
            }
            let stable = Counts::of_any(&metrics.stable, least, now);
            if stable.calls < least {
                let Counts { calls, .. } = stable;
                return Verdict::Undecided(format!("the old version had {calls} calls, {least} are needed"));
            }
            let p = fisher(canary.errors, canary.calls, stable.errors, stable.calls);
            let said = format!("{}, of the old version's {} of {}", canary.said(), stable.errors, stable.calls);
            if p < WRONG {
                Verdict::Fail(format!("{said}: worse with {CONFIDENCE} confidence (p = {p:.2e})"))
            } else {
                Verdict::Pass(format!("{said}: not worse with {CONFIDENCE} confidence (p = {p:.2})"))
            }
        }
        (None, Some(limit)) => judge_p99(condition, f64::from(limit.milliseconds), &metrics.canary, now),
        (None, None) => Verdict::Undecided("nothing is asked for".to_owned()),
    }
}

/// Percentiles of minutes cannot be added up: the minute in the middle counts, each weighing as many calls as it had, so that
/// one first start decides nothing and half of all calls do.
fn judge_p99(condition: &MetricCondition, limit: f64, minutes: &[Minute], now: Timestamp) -> Verdict {
    let usable = |minute: &Minute| Some((known(minute.calls)?, known(minute.p99)?));
    let least = f64::from(condition.min_requests);
    let mut window: Vec<(f64, f64)> = window(minutes, least, now, usable).collect();
    let calls: f64 = window.iter().map(|(calls, _)| calls).sum();
    if calls < least {
        return few(&Counts { calls, errors: 0.0, minutes: window.len() }, condition);
    }
    window.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut seen = 0.0;
    let middle = window.iter().find(|(calls_here, _)| {
        seen += calls_here;
        seen * 2.0 >= calls
    });
    let p99 = middle.map_or(0.0, |(_, p99)| *p99);
    let said = format!("{p99:.0} ms in the middle of {} minutes, {calls} calls", window.len());
    if p99 < limit { Verdict::Pass(said) } else { Verdict::Fail(format!("{said}, limit {limit} ms")) }
}

fn few(counts: &Counts, condition: &MetricCondition) -> Verdict {
    let least = condition.min_requests;
    match counts.minutes {
        0 => Verdict::Undecided(format!("no data yet, {least} calls are needed")),
        _ => Verdict::Undecided(format!("{} calls so far, {least} are needed", counts.calls)),
    }
}

struct Counts {
    calls: f64,
    errors: f64,
    minutes: usize,
}

impl Counts {
    fn of(minutes: &[Minute], least: f64, now: Timestamp) -> Counts {
        Counts::sum(window(minutes, least, now, both))
    }

    /// However old they are: the old version gets no calls any more in the end.
    fn of_any(minutes: &[Minute], least: f64, now: Timestamp) -> Counts {
        let last = minutes.iter().filter(|minute| is_whole(minute, now)).map(|minute| minute.at).max();
        Counts::sum(window(minutes, least, last.map_or(now, |last| last + SignedDuration::from_mins(1)), both))
    }

    fn sum(minutes: impl Iterator<Item = (f64, f64)>) -> Counts {
        let mut counts = Counts { calls: 0.0, errors: 0.0, minutes: 0 };
        for (calls, errors) in minutes {
            counts.calls += calls.round();
            counts.errors += errors.round().min(calls.round());
            counts.minutes += 1;
        }
        counts
    }

    fn said(&self) -> String {
        let Counts { calls, errors, minutes } = self;
        format!("{errors} of {calls} calls failed ({:.2}%) in {minutes} minutes", errors * 100.0 / calls.max(1.0))
    }
}

fn both(minute: &Minute) -> Option<(f64, f64)> {
    Some((known(minute.calls)?, known(minute.errors)?))
}

fn known(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite() && *number >= 0.0)
}

/// Whether the minute is over. By a clock that is behind it may be over later; by one that is ahead there is no data yet.
fn is_whole(minute: &Minute, now: Timestamp) -> bool {
    now.duration_since(minute.at) >= SignedDuration::from_mins(1)
}

/// The newest minutes, and older ones until there are enough calls.
fn window<T>(
    minutes: &[Minute],
    least: f64,
    now: Timestamp,
    usable: impl Fn(&Minute) -> Option<(f64, T)>,
) -> impl Iterator<Item = (f64, T)> {
    let mut newest_first: Vec<&Minute> = minutes.iter().filter(|minute| is_whole(minute, now)).collect();
    newest_first.sort_by_key(|minute| std::cmp::Reverse(minute.at));
    let mut calls = 0.0;
    let mut chosen = Vec::new();
    for minute in newest_first {
        let age = now.duration_since(minute.at);
        if age > REACH || (age > WINDOW + SignedDuration::from_mins(1) && calls >= least) {
            break;
        }
        if let Some((more, rest)) = usable(minute) {
            calls += more;
            chosen.push((more, rest));
        }
    }
    chosen.into_iter()
}

/// Fisher's exact test, one-sided: how likely it is that at least so many of the errors fall on the first group if both fail
/// alike.
fn fisher(errors: f64, calls: f64, other_errors: f64, other_calls: f64) -> f64 {
    let (all, failed) = (calls + other_calls, errors + other_errors);
    if failed == 0.0 || calls == 0.0 || other_calls == 0.0 || errors == 0.0 {
        return 1.0;
    }
    let ways = |n: f64, k: f64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    let odds = |k: f64| (ways(failed, k) + ways(all - failed, calls - k) - ways(all, calls)).exp();
    // From the end nearer to the middle outwards: there the first term is the largest, so what is too small for a number
    // is too small to matter.
    let is_above = errors > calls * failed / all;
    let (mut k, end) =
        if is_above { (errors, failed.min(calls)) } else { (errors - 1.0, (calls + failed - all).max(0.0)) };
    if !is_above && k < end {
        return 1.0;
    }
    let mut term = odds(k);
    let mut sum = term;
    while (is_above && k < end) || (!is_above && k > end) {
        if is_above {
            term *= (failed - k) * (calls - k) / ((k + 1.0) * (all - failed - calls + k + 1.0));
            k += 1.0;
        } else {
            term *= k * (all - failed - calls + k) / ((failed - k + 1.0) * (calls - k + 1.0));
            k -= 1.0;
        }
        sum += term;
        if term < sum * 1e-15 {
            break;
        }
    }
    if is_above { sum.min(1.0) } else { (1.0 - sum).clamp(0.0, 1.0) }
}

/// By adding up where that is short, else by Stirling's series, whose next term is far below what is asked of it.
fn ln_factorial(n: f64) -> f64 {
    if n < 2.0 {
        return 0.0;
    }
    if n < 32.0 {
        let mut sum = 0.0;
        let mut k = 2.0;
        while k <= n {
            sum += f64::ln(k);
            k += 1.0;
        }
        return sum;
    }
    let n1 = n + 1.0;
    (n1 - 0.5) * n1.ln() - n1 + 0.5 * std::f64::consts::TAU.ln() + 1.0 / (12.0 * n1) - 1.0 / (360.0 * n1.powi(3))
        + 1.0 / (1260.0 * n1.powi(5))
}

#[cfg(test)]
#[path = "tests/metrics.rs"]
mod tests;
