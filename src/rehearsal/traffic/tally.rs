//! How the requests went.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::client::{Answer, Trouble};

/// The release that is there before.
pub const BASELINE: &str = "baseline";
/// The release that is shipped.
pub const CANDIDATE: &str = "candidate";

/// How the requests went.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Sent.
    pub requests: u64,
    /// Not answered as they should be.
    pub failed: u64,
    /// Answers by the release that they name; failures that name one are among them.
    pub by_release: BTreeMap<String, u64>,
    /// Failures by what was wrong.
    pub failures: BTreeMap<String, u64>,
    /// World times of the first and the last failure.
    pub failed_at: Option<(Timestamp, Timestamp)>,
    /// World times of the first and the last request; `None` before traffic began.
    pub span: Option<(Timestamp, Timestamp)>,
    took: Vec<Duration>,
}

impl Tally {
    /// Before the first request.
    pub fn starting(at: Timestamp) -> Tally {
        Tally { span: Some((at, at)), ..Tally::default() }
    }

    /// Nothing is sent any more.
    pub fn end(&mut self, at: Timestamp) {
        self.span = self.span.map(|(began, _)| (began, at));
    }

    /// Adds an answer that was there at a moment of world time.
    pub fn add(&mut self, answer: &Answer, at: Timestamp) {
        self.requests += 1;
        let release = answer.release.as_deref().filter(|release| [BASELINE, CANDIDATE].contains(release));
        if let Some(release) = release {
            *self.by_release.entry(release.to_owned()).or_default() += 1;
        }
        if answer.result.is_ok() {
            self.took.push(answer.took);
        }
        if let Some(what) = wrong(answer, release.is_some()) {
            self.failed += 1;
            *self.failures.entry(what).or_default() += 1;
            let first = self.failed_at.map_or(at, |(first, _)| first.min(at));
            let last = self.failed_at.map_or(at, |(_, last)| last.max(at));
            self.failed_at = Some((first, last));
        }
    }

    /// Failures that would be failures of any application, by what was wrong; that an answer names no release is none.
    pub fn troubles(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.failures.iter().map(|(what, count)| (what.as_str(), *count));
        all.filter(|(what, _)| *what != NAMELESS)
    }

    /// Answers that name a release.
    pub fn of(&self, release: &str) -> u64 {
        self.by_release.get(release).copied().unwrap_or(0)
    }

    /// The time within which so many percent of the whole answers came; nothing if there was none.
    pub fn percentile_ms(&self, percent: usize) -> Option<f64> {
        let mut took = self.took.clone();
        took.sort_unstable();
        let place = (took.len() * percent).div_ceil(100).saturating_sub(1);
        took.get(place).map(|took| (took.as_secs_f64() * 10_000.0).round() / 10.0)
    }
}

/// What is wrong with an answer that is fine but for its release.
const NAMELESS: &str = "names neither release";

/// What is wrong with an answer, in a few words.
fn wrong(answer: &Answer, names_release: bool) -> Option<String> {
    let text = match &answer.result {
        Err(Trouble::Refused) => "refused".to_owned(),
        Err(Trouble::Reset) => "reset".to_owned(),
        Err(Trouble::Incomplete) => "incomplete".to_owned(),
        Err(Trouble::Slow) => "slower than 10 s".to_owned(),
        Err(Trouble::Raised) => format!("error raised by the {}", answer.release.as_deref().unwrap_or("function")),
        Ok(429) => "throttled".to_owned(),
        Ok(status) if *status >= 500 => match &answer.release {
            Some(release) if names_release => format!("{status} by the {release}"),
            _ => format!("{status} by AWS"),
        },
        Ok(_) if !names_release => NAMELESS.to_owned(),
        Ok(_) => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_a_failure() {
        let mut tally = Tally::starting(Timestamp::UNIX_EPOCH);
        let mut add = |second: i64, release: Option<&str>, result: Result<u16, Trouble>| {
            let release = release.map(str::to_owned);
            let took = Duration::from_millis(second.unsigned_abs());
            tally.add(&Answer { took, release, result }, Timestamp::from_second(second).unwrap());
        };
        add(1, Some(BASELINE), Ok(200));
        add(2, Some(CANDIDATE), Ok(404));
        add(5, Some(CANDIDATE), Ok(500));
        add(4, None, Ok(503));
        add(3, Some("dev"), Ok(200));
        add(9, None, Err(Trouble::Slow));
        assert_eq!((tally.requests, tally.failed), (6, 4));
        assert_eq!((tally.of(BASELINE), tally.of(CANDIDATE)), (1, 2));
        let failures: Vec<&str> = tally.failures.keys().map(String::as_str).collect();
        let expected = ["500 by the candidate", "503 by AWS", "names neither release", "slower than 10 s"];
        assert_eq!(failures, expected);
        let seconds = tally.failed_at.map(|(first, last)| (first.as_second(), last.as_second()));
        assert_eq!(seconds, Some((3, 9)));
        assert_eq!((tally.percentile_ms(50), tally.percentile_ms(99)), (Some(3.0), Some(5.0)));
        assert_eq!(Tally::default().percentile_ms(50), None);
    }
}
