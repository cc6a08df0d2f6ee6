//! Units as people write them: `5m`, `90%`. A number without its unit is refused.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of world time, whole seconds: `90s`, `5m`, `1h30m`, `2d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(Duration);

impl Period {
    /// This many seconds.
    pub const fn seconds(seconds: u64) -> Period {
        Period(Duration::from_secs(seconds))
    }

    /// This many minutes.
    pub const fn minutes(minutes: u64) -> Period {
        Period::seconds(minutes * 60)
    }

    /// This many hours.
    pub const fn hours(hours: u64) -> Period {
        Period::minutes(hours * 60)
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Whole seconds.
    pub const fn as_seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// Whole minutes, rounded up: what AWS takes.
    pub const fn as_minutes_up(self) -> u64 {
        self.0.as_secs().div_ceil(60)
    }

    /// Whether it has no length.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl std::ops::Add for Period {
    type Output = Period;
    fn add(self, other: Period) -> Period {
        Period(self.0.saturating_add(other.0))
    }
}

impl std::ops::Mul<u64> for Period {
    type Output = Period;
    fn mul(self, times: u64) -> Period {
        Period::seconds(self.as_seconds().saturating_mul(times))
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Period {
        Period::seconds(duration.as_secs())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.as_seconds();
        let parts = [(total / 86_400, "d"), (total / 3600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")];
        let mut written = false;
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count}{unit}")?;
            written = true;
        }
        if written { Ok(()) } else { f.write_str("0m") }
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Period, String> {
        let wrong = || format!("`{text}` is not a length of time; write 90s, 5m, 1h30m or 2d");
        let mut seconds: u64 = 0;
        let mut last_unit = u64::MAX;
        let mut rest = text;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let unit = match rest.chars().next() {
                Some('d') => 86_400,
                Some('h') => 3600,
                Some('m') => 60,
                Some('s') => 1,
                _ => return Err(wrong()),
            };
            if unit >= last_unit {
                return Err(wrong());
            }
            last_unit = unit;
            rest = &rest[1..];
            seconds = count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        }
        if seconds > 366 * 86_400 {
            Err(format!("`{text}` is longer than a year"))
        } else {
            Ok(Period::seconds(seconds))
        }
    }
}

/// A share, in steps of 0.01 %: `90%`, `2.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// This many whole percent.
    pub const fn whole(percent: u32) -> Percent {
        Percent(percent * 100)
    }

    /// All of it.
    pub const ALL: Percent = Percent::whole(100);

    /// This many hundredths of a percent; more than all is all.
    pub fn of(hundredths: u32) -> Percent {
        Percent(hundredths.min(10_000))
    }

    /// A share as AWS has it, 0.0 to 1.0, to the nearest hundredth of a percent.
    pub fn of_fraction(fraction: f64) -> Percent {
        Percent((fraction.clamp(0.0, 1.0) * 10_000.0).round() as u32)
    }

    /// The same as AWS has it: the shortest decimal that is meant.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// Hundredths of a percent, 0 to 10,000.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// This share of a count, rounded up.
    pub fn of_rounded_up(self, count: usize) -> usize {
        (count * self.0 as usize).div_ceil(10_000)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            rest => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        let wrong = || format!("`{text}` is not a share; write 90% or 2.5%");
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(rest) || whole.len() > 3 || rest.len() > 2 {
            return Err(wrong());
        }
        let rest: u32 = format!("{rest:0<2}").parse().map_err(|_| wrong())?;
        let share = whole.parse::<u32>().map_err(|_| wrong())? * 100 + rest;
        if share > 10_000 { Err(format!("`{text}` is more than 100%")) } else { Ok(Percent(share)) }
    }
}

macro_rules! as_text {
    ($type:ident, $format:literal, $pattern:literal, $description:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "format": $format, "pattern": $pattern, "description": $description,
                })
            }
        }
    };
}
as_text!(Period, "period", r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "A length of time: 90s, 5m, 1h30m, 2d.");
as_text!(Percent, "percent", r"^[0-9]{1,3}(\.[0-9]{1,2})?%$", "A share: 90%, 2.5%.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written() {
        for (text, seconds, written) in
            [("90s", 90, "1m30s"), ("5m", 300, "5m"), ("1h30m", 5400, "1h30m"), ("2d", 172_800, "2d"), ("0m", 0, "0m")]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.as_seconds(), period.to_string().as_str()), (seconds, written));
        }
        for bad in ["", "5", "5 min", "300", "m", "-5m", "5m1h", "5m5m", "99999999999999999999s", "400d", "5µ", "1.5h"]
        {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_are_read_and_written() {
        for (text, hundredths) in [("90%", 9000), ("2.5%", 250), ("0.01%", 1), ("100%", 10_000), ("0%", 0)] {
            let share: Percent = text.parse().unwrap();
            assert_eq!((share.hundredths(), share.to_string().as_str()), (hundredths, text));
        }
        for bad in ["", "%", "90", "110%", "1.234%", "-1%", "1e2%", ".5%", "5.%", "0x5%"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
        for hundredths in 0..=10_000 {
            let share = Percent::of(hundredths);
            assert_eq!(Percent::of_fraction(share.fraction()), share);
        }
        assert_eq!(Percent::of_fraction(f64::NAN), Percent::whole(0));
        assert_eq!(Percent::whole(90).of_rounded_up(4), 4);
        assert_eq!(Percent::whole(50).of_rounded_up(4), 2);
    }
}
