//! What a version answered against what it must.

use serde_json::Value;

use crate::event::record::{Cause, Side};
use crate::model::function::{Answer, json_pointer};
use crate::model::lambda::Answered;
use crate::model::{harmless, harmless_lines};
use crate::plan::TestCall;

/// What is kept of what others wrote.
const LOG_LINES: usize = 20;
const WIDTH: usize = 400;

/// Whether a call was answered as it must be.
///
/// # Errors
/// Everything that is not as it must be, with the end of the function's log.
pub fn check(call: &TestCall, version: &str, answered: &Answered) -> Result<(), Cause> {
    compare(call, &format!("version {version}"), Some(version), answered)
}

/// The same of a function that is named, whichever of its versions ran.
///
/// # Errors
/// As above.
pub fn check_named(call: &TestCall, name: &str, answered: &Answered) -> Result<(), Cause> {
    compare(call, name, None, answered)
}

fn compare(call: &TestCall, whose: &str, version: Option<&str>, answered: &Answered) -> Result<(), Cause> {
    let mut wrong = Vec::new();
    if let Some(version) = version.filter(|version| answered.version != *version) {
        wrong.push(format!("version {} ran, but version {version} was called", harmless(&answered.version, WIDTH)));
    }
    let payload = || harmless(&answered.payload, WIDTH);
    match (&answered.error, call.expect.status) {
        (Some(error), Answer::Ok) => {
            wrong.push(format!("it raised an error ({}): {}", harmless(error, WIDTH), payload()))
        }
        (None, Answer::Error) => wrong.push(format!("it must raise an error, but answered: {}", payload())),
        (Some(_), Answer::Error) | (None, Answer::Ok) => {}
    }
    let limit = u64::try_from(call.expect.within.duration().as_millis()).unwrap_or(u64::MAX);
    if answered.milliseconds > limit {
        wrong.push(format!("it took {} ms, and may take {limit} ms", answered.milliseconds));
    }
    if wrong.is_empty() && !call.expect.json.is_empty() {
        wrong.extend(json_differences(call, answered));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let what = format!("{whose} did not answer {} as it must: {}", call.name, wrong.remove(0));
    wrong.extend(harmless_lines(&answered.log, LOG_LINES, WIDTH));
    Err(Cause::new(Side::Condition, what).details(wrong))
}

fn json_differences(call: &TestCall, answered: &Answered) -> Vec<String> {
    let Ok(value) = serde_json::from_str::<Value>(&answered.payload) else {
        return vec![format!("its answer is not JSON: {}", harmless(&answered.payload, WIDTH))];
    };
    let mut wrong = Vec::new();
    for (path, wanted) in &call.expect.json {
        let found = json_pointer(path).ok().and_then(|pointer| value.pointer(&pointer));
        if found.is_none_or(|found| !is_same(found, wanted)) {
            let found = found.map_or_else(|| "nothing".to_owned(), |found| harmless(&found.to_string(), WIDTH));
            wrong.push(format!("{path} is {found}, but must be {wanted}"));
        }
    }
    wrong
}

/// 64 and 64.0 are the same number.
fn is_same(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(one), Some(other)) => found == wanted || one.total_cmp(&other).is_eq(),
        (Some(_), None) | (None, Some(_)) | (None, None) => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(expect: &str) -> TestCall {
        TestCall {
            name: "event.json".into(),
            payload: "{}".into(),
            expect: serde_json::from_str(expect).unwrap(),
            times: 1,
        }
    }

    #[test]
    fn answers_are_compared() {
        let good = Answered {
            version: "42".into(),
            payload: r#"{"width":64.0,"of":[1]}"#.into(),
            milliseconds: 2000,
            ..Answered::default()
        };
        let raised = Answered {
            error: Some("Unhandled".into()),
            payload: r#"{"errorMessage":"no"}"#.into(),
            log: "START\n\u{1b}[31mTraceback".into(),
            ..good.clone()
        };
        let text = Answered { payload: "ok".into(), ..good.clone() };
        let other = Answered { version: "41".into(), ..good.clone() };
        for (expect, answered, expected) in [
            ("{}", &good, None),
            (r#"{"within":"2s","json":{"$.width":64,"$.of[0]":1}}"#, &good, None),
            (r#"{"status":"error"}"#, &raised, None),
            ("{}", &raised, Some(r#"it raised an error (Unhandled): {"errorMessage":"no"}"#)),
            (r#"{"status":"error"}"#, &text, Some("it must raise an error, but answered: ok")),
            (r#"{"within":"1s"}"#, &good, Some("it took 2000 ms, and may take 1000 ms")),
            (r#"{"json":{"$.width":65}}"#, &good, Some("$.width is 64.0, but must be 65")),
            (r#"{"json":{"$.height":65}}"#, &good, Some("$.height is nothing, but must be 65")),
            (r#"{"json":{"$.width":64}}"#, &text, Some("its answer is not JSON: ok")),
            ("{}", &other, Some("version 41 ran, but version 42 was called")),
        ] {
            let found = check(&call(expect), "42", answered).err().map(|cause| cause.what);
            let expected = expected.map(|why| format!("version 42 did not answer event.json as it must: {why}"));
            assert_eq!(found, expected, "{expect}");
        }
        assert_eq!(check(&call("{}"), "42", &raised).unwrap_err().details, ["START", "Traceback"]);
    }
}
