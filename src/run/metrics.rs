//! Verdicts on metrics: of a version's own calls, of a fleet's requests, of anything else. Only whole minutes count; what CloudWatch did not say is not zero; fewer calls than
//! were asked for decide nothing.

use jiff::{SignedDuration, Timestamp};

use super::judge::Verdict;
use crate::model::Period;
use crate::model::lambda::{Metrics, Minute, Series};
use crate::model::measure::{Limit, RateLimit};
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
    if let (Some(measure), Some(limit)) = (condition.measure(), &condition.is) {
        let none = Series::default();
        let series = metrics.series.get(&measure).unwrap_or(&none);
        return judge_series(condition, limit, series, period(measure.period()), now);
    }
    if let Some(why) = &metrics.trouble {
        return Verdict::Undecided(why.clone());
    }
    if let Some(limit) = condition.requests {
        return judge_requests(limit, metrics, now);
    }
    match (condition.share(), &condition.p99) {
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

/// How late a minute's requests may be seen, after its end: a minute without any is never said.
const SETTLED: SignedDuration = SignedDuration::from_mins(2);
/// The newest minutes that tell how many requests there are, and how many of them are needed.
const RATE_MINUTES: i64 = 5;
const RATE_LEAST: i64 = 2;

/// How many requests there are, in minutes of which everything should be known by now.
fn judge_requests(limit: RateLimit, metrics: &Metrics, now: Timestamp) -> Verdict {
    let Some(since) = metrics.since else { return Verdict::Undecided("no minute is over yet".to_owned()) };
    let seconds = now.duration_since(since).as_secs() - SETTLED.as_secs();
    let minutes = seconds.div_euclid(60).min(RATE_MINUTES);
    if minutes < RATE_LEAST {
        return Verdict::Undecided(format!("{} minutes are known, {RATE_LEAST} are needed", minutes.max(0)));
    }
    let end = since.as_second() + seconds.div_euclid(60) * 60;
    let counted = end - minutes * 60..end;
    let calls = metrics.canary.iter().filter(|minute| counted.contains(&minute.at.as_second()));
    let calls = calls.filter_map(|minute| known(minute.calls)).fold(0.0, |sum, more| sum + more);
    let rate = calls / minutes as f64;
    let said = format!("{rate:.1} requests per minute in {minutes} minutes");
    if limit.comparison.holds(rate, f64::from(limit.per_minute)) {
        Verdict::Pass(said)
    } else {
        Verdict::Fail(format!("{said}, must be {limit}"))
    }
}

/// After so many periods, and some minutes more, without a datapoint the metric says nothing any more.
const SILENT_PERIODS: i32 = 3;
const SILENT: SignedDuration = SignedDuration::from_mins(5);
/// With fewer datapoints before the new release there is no baseline.
const BASELINE_LEAST: usize = 3;

/// The newest datapoints of whole periods: a good one passes, so many bad ones in a row fail.
fn judge_series(
    condition: &MetricCondition,
    limit: &Limit,
    series: &Series,
    period: SignedDuration,
    now: Timestamp,
) -> Verdict {
    if let Some(why) = &series.trouble {
        return Verdict::Undecided(why.clone());
    }
    let mut bound = limit.number();
    let mut said = limit.to_string();
    if limit.is_of_baseline {
        let before: Vec<f64> = series.before.iter().map(|it| it.value).filter(|value| value.is_finite()).collect();
        if before.len() < BASELINE_LEAST {
            let count = before.len();
            return Verdict::Undecided(format!(
                "{count} datapoints before the new release, {BASELINE_LEAST} are needed"
            ));
        }
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        bound = mean * bound / 100.0;
        said = format!("{} {} ({limit}, which was {})", limit.comparison, short(bound), short(mean));
    }
    let is_over = |at: Timestamp| now.duration_since(at) >= period;
    let mut newest: Vec<(Timestamp, f64)> =
        series.after.iter().filter(|it| is_over(it.at) && it.value.is_finite()).map(|it| (it.at, it.value)).collect();
    newest.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let Some((at, value)) = newest.first().copied() else { return Verdict::Undecided("no data yet".to_owned()) };
    if now.duration_since(at) > period * SILENT_PERIODS + SILENT {
        return Verdict::Undecided(format!("no data since {}", at.strftime("%H:%M:%SZ")));
    }
    let bad = newest.iter().take_while(|(_, value)| !limit.comparison.holds(*value, bound)).count();
    let needed = condition.failures();
    let value = short(value);
    match bad {
        0 => Verdict::Pass(format!("{value}, must be {said}")),
        _ if bad >= needed => Verdict::Fail(format!("{value}, must be {said}; {bad} datapoints in a row")),
        _ => Verdict::Undecided(format!("{value}, must be {said}; {bad} of {needed} datapoints")),
    }
}

/// A number with at most three decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn period(period: Period) -> SignedDuration {
    SignedDuration::try_from(period.duration()).unwrap_or(SignedDuration::MAX)
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
