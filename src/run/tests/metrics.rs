//! Verdicts on metrics: tables and properties.

use proptest::prelude::*;

use super::*;
use crate::model::measure::Datapoint;
use crate::run::tests::fixture::as_line;

fn at(seconds: i64) -> Timestamp {
    "2026-11-21T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// Minutes from the beginning on: calls, errors, p99. A negative number was not said.
fn minutes(numbers: &[(i64, i64, i64)]) -> Vec<Minute> {
    let said = |number: i64| (number >= 0).then_some(number as f64);
    let minute = |(place, (calls, errors, p99)): (usize, &(i64, i64, i64))| {
        let at = at(i64::try_from(place).unwrap() * 60);
        Minute { at, calls: said(*calls), errors: said(*errors), p99: said(*p99) }
    };
    numbers.iter().enumerate().map(minute).collect()
}

fn condition(text: &str) -> MetricCondition {
    serde_json::from_str(text).unwrap()
}

fn told(condition: &MetricCondition, canary: &[(i64, i64, i64)], stable: &[(i64, i64, i64)], now: i64) -> String {
    let metrics = Metrics { canary: minutes(canary), stable: minutes(stable), ..Metrics::default() };
    let verdict = judge_metric(condition, &metrics, at(now));
    as_line(&verdict)
}

#[test]
fn errors_are_counted_over_whole_minutes() {
    let limit = condition(r#"{"errors":"< 1%"}"#);
    let none = "undecided: no data yet, 50 calls are needed";
    for (what, canary, now, expected) in [
        ("no data", &[][..], 600, none),
        ("one datapoint of a minute that is not over", &[(500, 500, 9)], 59, none),
        ("one datapoint", &[(500, 0, 9)], 60, "pass: 0 of 500 calls failed (0.00%) in 1 minutes"),
        ("too few", &[(49, 49, 9)], 120, "undecided: 49 calls so far, 50 are needed"),
        ("zero traffic", &[(0, 0, -1), (0, 0, -1)], 120, "undecided: 0 calls so far, 50 are needed"),
        ("all errors", &[(50, 50, 9)], 60, "fail: 50 of 50 calls failed (100.00%) in 1 minutes, limit 1%"),
        ("just at the limit", &[(100, 1, 9)], 60, "fail: 1 of 100 calls failed (1.00%) in 1 minutes, limit 1%"),
        ("just below", &[(101, 1, 9)], 60, "pass: 1 of 101 calls failed (0.99%) in 1 minutes"),
        ("errors not said are not zero", &[(500, -1, 9)], 60, none),
        (
            "a minute without errors said is left out",
            &[(500, -1, 9), (60, 0, 9)],
            120,
            "pass: 0 of 60 calls failed (0.00%) in 1 minutes",
        ),
        ("the clock is behind", &[(60, 0, 9), (60, 60, 9)], 90, "pass: 0 of 60 calls failed (0.00%) in 1 minutes"),
        (
            "older minutes until there are enough",
            &[
                (30, 0, 9),
                (0, 0, -1),
                (0, 0, -1),
                (0, 0, -1),
                (0, 0, -1),
                (0, 0, -1),
                (0, 0, -1),
                (0, 0, -1),
                (25, 0, 9),
            ],
            540,
            "pass: 0 of 55 calls failed (0.00%) in 9 minutes",
        ),
        (
            "old trouble is forgotten",
            &[(500, 500, 9), (0, 0, 9), (0, 0, 9), (0, 0, 9), (0, 0, 9), (0, 0, 9), (500, 0, 9)],
            420,
            "pass: 0 of 500 calls failed (0.00%) in 6 minutes",
        ),
        ("nobody called for an hour", &[(500, 0, 9)], 3700, none),
    ] {
        assert_eq!(told(&limit, canary, &[], now), expected, "{what}");
    }
}

/// A minute's datapoint may grow for some time: every look reads the whole window again, so the verdict follows.
#[test]
fn datapoints_that_are_revised_late_count_as_they_are() {
    let limit = condition(r#"{"errors":"< 1%"}"#);
    let first = told(&limit, &[(60, 0, 9), (20, 0, 9)], &[], 125);
    let later = told(&limit, &[(60, 0, 9), (90, 9, 9)], &[], 155);
    assert_eq!(first, "pass: 0 of 80 calls failed (0.00%) in 2 minutes");
    assert_eq!(later, "fail: 9 of 150 calls failed (6.00%) in 2 minutes, limit 1%");
}

#[test]
fn errors_are_compared_with_the_old_versions() {
    let alike = condition(r#"{"errors":"not worse than baseline"}"#);
    for (canary, stable, expected) in [
        (
            (100, 20),
            (1900, 0),
            "fail: 20 of 100 calls failed (20.00%) in 1 minutes, of the old version's 0 of 1900: worse with 99.9% confidence (p = 1.37e-27)",
        ),
        (
            (100, 1),
            (1900, 19),
            "pass: 1 of 100 calls failed (1.00%) in 1 minutes, of the old version's 19 of 1900: not worse with 99.9% confidence (p = 0.64)",
        ),
        (
            (100, 0),
            (1900, 1900),
            "pass: 0 of 100 calls failed (0.00%) in 1 minutes, of the old version's 1900 of 1900: not worse with 99.9% confidence (p = 1.00)",
        ),
        (
            (100, 100),
            (1900, 1900),
            "pass: 100 of 100 calls failed (100.00%) in 1 minutes, of the old version's 1900 of 1900: not worse with 99.9% confidence (p = 1.00)",
        ),
        ((100, 5), (49, 0), "undecided: the old version had 49 calls, 50 are needed"),
        ((49, 5), (1900, 0), "undecided: 49 calls so far, 50 are needed"),
    ] {
        let of = |(calls, errors): (i64, i64)| [(calls, errors, 9)];
        assert_eq!(told(&alike, &of(canary), &of(stable), 60), expected, "{canary:?} {stable:?}");
    }
}

#[test]
fn the_minute_in_the_middle_tells_how_long_calls_take() {
    let limit = condition(r#"{"p99":"< 800ms"}"#);
    for (canary, expected) in [
        (&[(60, 0, 799)][..], "pass: 799 ms in the middle of 1 minutes, 60 calls"),
        (&[(60, 0, 800)], "fail: 800 ms in the middle of 1 minutes, 60 calls, limit 800 ms"),
        (&[(10, 0, 9000), (60, 0, 90)], "pass: 90 ms in the middle of 2 minutes, 70 calls"),
        (&[(10, 0, 90), (60, 0, 9000)], "fail: 9000 ms in the middle of 2 minutes, 70 calls, limit 800 ms"),
        (&[(60, 0, -1)], "undecided: no data yet, 50 calls are needed"),
    ] {
        assert_eq!(told(&limit, canary, &[], 300), expected, "{canary:?}");
    }
}

#[test]
fn requests_are_counted_over_minutes_that_are_settled() {
    let limit = condition(r#"{"requests":"> 10/min"}"#);
    for (what, calls, now, expected) in [
        ("too early", &[20, 20][..], 239, "undecided: 1 minutes are known, 2 are needed"),
        ("enough", &[20, 20], 240, "pass: 20.0 requests per minute in 2 minutes"),
        (
            "a minute that may still come does not count",
            &[20, 20, 0],
            300,
            "pass: 13.3 requests per minute in 3 minutes",
        ),
        ("just at the limit", &[10, 10], 240, "fail: 10.0 requests per minute in 2 minutes, must be > 10/min"),
        ("zero traffic", &[], 240, "fail: 0.0 requests per minute in 2 minutes, must be > 10/min"),
        ("what was not said is none", &[-1, 40], 240, "pass: 20.0 requests per minute in 2 minutes"),
        (
            "only the newest count",
            &[900, 1, 1, 1, 1, 1],
            480,
            "fail: 1.0 requests per minute in 5 minutes, must be > 10/min",
        ),
    ] {
        let numbers: Vec<(i64, i64, i64)> = calls.iter().map(|calls| (*calls, 0, 0)).collect();
        let metrics = Metrics { since: Some(at(0)), canary: minutes(&numbers), ..Metrics::default() };
        let verdict = judge_metric(&limit, &metrics, at(now));
        assert_eq!(as_line(&verdict), expected, "{what}");
    }
    let verdict = judge_metric(&limit, &Metrics::default(), at(900));
    assert_eq!(verdict, Verdict::Undecided("no minute is over yet".to_owned()));
}

/// What any metric says, with datapoints of a minute each; NaN and the like are no datapoints.
fn any(is: &str, before: &[f64], after: &[(i64, f64)], now: i64) -> String {
    let text = r#"{"metric":{"namespace":"A","name":"b","statistic":"Sum"},"is":"LIMIT"}"#;
    let condition = condition(&text.replace("LIMIT", is));
    let measure = condition.measure().unwrap();
    let point = |at_: i64, value: f64| Datapoint { at: at(at_), value };
    let series = Series {
        before: before.iter().zip(1..).map(|(value, place)| point(-60 * place, *value)).collect(),
        after: after.iter().map(|(place, value)| point(60 * place, *value)).collect(),
        trouble: None,
    };
    let metrics = Metrics { series: [(measure, series)].into(), ..Metrics::default() };
    let verdict = judge_metric(&condition, &metrics, at(now));
    as_line(&verdict)
}

#[test]
fn any_metric_is_judged_by_its_newest_datapoints() {
    for (what, after, now, expected) in [
        ("no data", &[][..], 600, "undecided: no data yet"),
        ("a minute that is not over", &[(0, 9.0)], 59, "undecided: no data yet"),
        ("one good", &[(0, 4.5)], 60, "pass: 4.5, must be < 5"),
        ("one bad", &[(0, 5.0)], 60, "undecided: 5, must be < 5; 1 of 2 datapoints"),
        ("two bad", &[(0, 5.0), (1, 7.25)], 120, "fail: 7.25, must be < 5; 2 datapoints in a row"),
        ("two bad with a gap between", &[(0, 5.0), (3, 7.0)], 240, "fail: 7, must be < 5; 2 datapoints in a row"),
        ("flapping", &[(0, 9.0), (1, 1.0), (2, 9.0)], 180, "undecided: 9, must be < 5; 1 of 2 datapoints"),
        ("recovered", &[(0, 9.0), (1, 9.0), (2, 1.0)], 180, "pass: 1, must be < 5"),
        ("no number", &[(0, 1.0), (1, f64::NAN)], 120, "pass: 1, must be < 5"),
        ("silent for long", &[(0, 1.0)], 481, "undecided: no data since 09:00:00Z"),
        ("not silent for long enough", &[(0, 1.0)], 480, "pass: 1, must be < 5"),
    ] {
        assert_eq!(any("< 5", &[], after, now), expected, "{what}");
    }
    // A datapoint that is revised later counts as it is then.
    assert_eq!(any("< 5", &[], &[(0, 9.0), (1, 9.0)], 150), "fail: 9, must be < 5; 2 datapoints in a row");
    assert_eq!(any("< 5", &[], &[(0, 9.0), (1, 4.0)], 150), "pass: 4, must be < 5");
}

#[test]
fn any_metric_is_compared_with_what_it_was_before() {
    let is = "< 120% of baseline";
    for (before, after, expected) in [
        (&[10.0, 10.0][..], 1.0, "undecided: 2 datapoints before the new release, 3 are needed"),
        (&[10.0, 20.0, 30.0], 23.9, "pass: 23.9, must be < 24 (< 120% of baseline, which was 20)"),
        (
            &[10.0, 20.0, 30.0],
            24.0,
            "undecided: 24, must be < 24 (< 120% of baseline, which was 20); 1 of 2 datapoints",
        ),
        (&[10.0, f64::NAN, 10.0], 1.0, "undecided: 2 datapoints before the new release, 3 are needed"),
    ] {
        assert_eq!(any(is, before, &[(0, after)], 60), expected, "{before:?} {after}");
    }
}

/// Math is judged like any metric, by its own period; what CloudWatch could not say decides nothing, whatever it did say.
#[test]
fn math_is_judged_by_its_newest_datapoints() {
    let metric = r#"{"namespace":"A","name":"b","statistic":"Sum","period":"5m"}"#;
    let text = r#"{"expression":{"math":"100 * a / b","of":{"a":METRIC,"b":METRIC}},"is":"IS"}"#;
    let refused = "CloudWatch refuses it: no such function";
    for (what, is, after, trouble, now, expected) in [
        ("no data", "< 5", &[][..], None, 900, "undecided: no data yet"),
        ("a period that is not over", "< 5", &[(0, 9.0)], None, 299, "undecided: no data yet"),
        ("one good", "< 5", &[(0, 4.0)], None, 300, "pass: 4, must be < 5"),
        ("two bad", "< 5", &[(0, 6.0), (1, 7.0)], None, 600, "fail: 7, must be < 5; 2 datapoints in a row"),
        ("two bad in doubt", "< 5", &[(0, 6.0), (1, 7.0)], Some(refused), 600, &format!("undecided: {refused}")),
        ("one good in doubt", "< 5", &[(0, 4.0)], Some("PartialData"), 300, "undecided: PartialData"),
        (
            "worse than before",
            "< 150% of baseline",
            &[(0, 6.0), (1, 6.0)],
            None,
            600,
            "fail: 6, must be < 6 (< 150% of baseline, which was 4); 2 datapoints in a row",
        ),
        (
            "as before",
            "< 150% of baseline",
            &[(0, 5.0)],
            None,
            300,
            "pass: 5, must be < 6 (< 150% of baseline, which was 4)",
        ),
        ("silent for long", "< 5", &[(0, 4.0)], None, 1201, "undecided: no data since 09:00:00Z"),
    ] {
        let condition = condition(&text.replace("METRIC", metric).replace("IS", is));
        let point = |at_: i64, value: f64| Datapoint { at: at(at_), value };
        let series = Series {
            before: (1..4).map(|place| point(-300 * place, 4.0)).collect(),
            after: after.iter().map(|(place, value)| point(300 * place, *value)).collect(),
            trouble: trouble.map(str::to_owned),
        };
        let metrics = Metrics { series: [(condition.measure().unwrap(), series)].into(), ..Metrics::default() };
        let verdict = judge_metric(&condition, &metrics, at(now));
        assert_eq!(as_line(&verdict), expected, "{what}");
    }
}

/// An errors series that could not be read is not one without errors.
#[test]
fn calls_that_are_not_known_decide_nothing() {
    for text in [r#"{"errors_5xx":"< 1%"}"#, r#"{"p99":"< 1s"}"#, r#"{"requests":"> 1/min"}"#] {
        let trouble = Some("CloudWatch does not say all: InternalError".to_owned());
        let metrics = Metrics { since: Some(at(0)), canary: minutes(&[(90, 0, 9); 5]), trouble, ..Metrics::default() };
        let verdict = judge_metric(&condition(text), &metrics, at(420));
        assert_eq!(verdict, Verdict::Undecided("CloudWatch does not say all: InternalError".to_owned()), "{text}");
    }
}

/// Against the definition, term by term, with exact binomials.
#[test]
fn the_test_is_exact() {
    fn choose(n: u64, k: u64) -> f64 {
        (0..k).fold(1.0, |product, place| product * (n - place) as f64 / (place + 1) as f64)
    }
    for (errors, calls, other_errors, other_calls) in [(3, 10, 1, 20), (1, 5, 0, 50), (7, 9, 20, 40), (2, 30, 9, 30)] {
        let (all, failed) = (calls + other_calls, errors + other_errors);
        let expected: f64 = (errors..=failed.min(calls))
            .filter(|k| calls - k <= all - failed)
            .map(|k| choose(failed, k) * choose(all - failed, calls - k) / choose(all, calls))
            .sum();
        let found = fisher(errors as f64, calls as f64, other_errors as f64, other_calls as f64);
        assert!((found - expected).abs() < 1e-9, "{errors}/{calls} {other_errors}/{other_calls}: {found} {expected}");
    }
    assert!((ln_factorial(31.0) + 32.0_f64.ln() - ln_factorial(32.0)).abs() < 1e-10);
}

proptest! {
    #[test]
    fn more_errors_never_make_it_better(calls in 1u32..2000, other in 1u32..2000, share in 0.0f64..1.0, rest in 0.0f64..1.0) {
        let (n, m) = (f64::from(calls), f64::from(other));
        let (errors, other_errors) = ((n * share).floor(), (m * rest).floor());
        let p = fisher(errors, n, other_errors, m);
        prop_assert!((0.0..=1.0).contains(&p), "{p}");
        if errors + 1.0 <= n {
            prop_assert!(fisher(errors + 1.0, n, other_errors, m) <= p + 1e-9);
        }
    }

    /// Whatever CloudWatch says there is a verdict, and without enough calls it is none.
    #[test]
    fn there_is_always_a_verdict(
        numbers in proptest::collection::vec((-1i64..2000, -1i64..3000, -1i64..99_999), 0..90),
        stable in proptest::collection::vec((-1i64..2000, -1i64..3000, -1i64..99_999), 0..90),
        now in -600i64..9000,
    ) {
        for text in [r#"{"errors":"< 5%"}"#, r#"{"errors":"not worse than baseline"}"#, r#"{"p99":"< 1s"}"#, "{}"] {
            let condition = condition(text);
            let said = told(&condition, &numbers, &stable, now);
            let calls: i64 = numbers.iter().map(|(calls, ..)| (*calls).max(0)).sum();
            prop_assert!(calls >= 50 || said.starts_with("undecided"), "{said}");
        }
    }
}
