//! When a recurrence is due: five fields, as cron writes them, in UTC.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Days after which the search for the next time ends: every date of a leap year has come by then.
const HORIZON: usize = 366 * 8;

/// Bit `n` of a field says whether the number `n` is in it.
#[derive(Debug)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A date is due if either fits, when both the day of the month and the weekday are restricted.
    either_day: bool,
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Cron, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err("five fields are needed: minute hour day month weekday".to_owned());
        };
        let sevens = field(weekdays, 0, 7)?;
        Ok(Cron {
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: field(months, 1, 12)?,
            weekdays: sevens | (sevens >> 7),
            either_day: days != "*" && weekdays != "*",
        })
    }
}

impl Cron {
    /// The first time after a moment; nothing if there is none in eight years.
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let start = now.to_zoned(TimeZone::UTC).datetime();
        let mut date = start.date();
        for _ in 0..HORIZON {
            if self.is_due(date) {
                let times = (0..24_i8).flat_map(|hour| (0..60_i8).map(move |minute| (hour, minute)));
                let due = times
                    .filter(|(hour, minute)| has(self.hours, *hour) && has(self.minutes, *minute))
                    .map(|(hour, minute)| date.at(hour, minute, 0, 0))
                    .find(|at: &DateTime| *at > start);
                if let Some(due) = due {
                    return due.to_zoned(TimeZone::UTC).ok().map(|due| due.timestamp());
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn is_due(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().since(Weekday::Sunday));
        has(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }
}

fn has(field: u64, number: i8) -> bool {
    field >> number & 1 == 1
}

/// Reads `*`, `5`, `1-5`, `*/10`, `1-30/2` and lists of those.
fn field(text: &str, low: u32, high: u32) -> Result<u64, String> {
    let mut bits = 0;
    for part in text.split(',') {
        let wrong = || format!("`{part}` is not in {low}-{high}");
        let number =
            |text: &str| text.parse::<u32>().ok().filter(|number| (low..=high).contains(number)).ok_or_else(wrong);
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        (from..=to).step_by(step).for_each(|number| bits |= 1_u64 << number);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_found() {
        // A Friday.
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let cases = [
            ("0 9 * * *", "2026-11-21T09:00:00Z"),
            ("*/15 * * * *", "2026-11-20T10:15:00Z"),
            ("30 10 * * 1-5", "2026-11-20T10:30:00Z"),
            ("0 0 * * 7", "2026-11-22T00:00:00Z"),
            ("0 0 1,15 * *", "2026-12-01T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 1 * 6", "2026-11-21T00:00:00Z"),
        ];
        for (text, expected) in cases {
            let next = text.parse::<Cron>().unwrap().after(now).map(|at| at.to_string());
            assert_eq!(next.as_deref(), Some(expected), "{text}");
        }
        assert_eq!("0 0 31 2 *".parse::<Cron>().unwrap().after(now), None);
        for wrong in ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "a * * * *"] {
            assert!(wrong.parse::<Cron>().is_err(), "{wrong}");
        }
    }
}
