//! Histories and where a rollback goes after them.
//!
//! A history is a line of words, the oldest first, on two targets; `base` was there before the first. `r2` is a deploy that
//! succeeded, `-r2` one that was rolled back, `~r2` one that a person aborted, `?r2` one that got stuck, `=r2` one that was
//! left as it was, `&r2` one that has not ended, `%r2` one whose first stage kept it. `<r1` is a rollback to r1, and `<-r1`
//! and so on how it ended. `*z` somebody else makes z live; `r3:r1` are the bytes of r1 under the label r3. `a=r2` is what
//! AWS shows of one target, `a=r1/r2` with a share for another, `a=` nothing; `to=r2` is what a person names.

use super::*;
use crate::plan::Intent;
use crate::release::past::PastTarget;

fn revision(bytes: &str) -> Revision {
    let hash: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect::<String>() + &"0".repeat(64);
    let key = format!("artifacts/{}.zip", &hash[..64]);
    Revision { bucket: "b".to_owned(), key, version: None, etag: None }
}

fn stood(word: &str) -> Stood {
    let (label, bytes) = word.split_once(':').unwrap_or((word, word));
    Stood { label: label.to_owned(), revision: revision(bytes) }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Runs and what they leave.
struct World {
    past: Vec<PastRun>,
    live: BTreeMap<Name, Live>,
    to: Option<String>,
}

impl World {
    fn of(history: &str) -> World {
        let mut words = history.split(' ');
        let first = words.next().unwrap();
        let live = || Live { stood: (first != "nothing").then(|| stood(first)), is_split: false };
        let mut world = World { past: Vec::new(), live: ["a", "b"].map(|it| (name(it), live())).into(), to: None };
        for word in words {
            match word.split_once('=').filter(|(target, _)| !target.is_empty() && *target != "<") {
                Some(("to", to)) => world.to = Some(to.to_owned()),
                Some((target, what)) => world.shows(target, what),
                None => world.runs(word),
            }
        }
        world
    }

    fn runs(&mut self, word: &str) {
        if let Some(other) = word.strip_prefix('*') {
            self.live.values_mut().for_each(|live| live.stood = Some(stood(other)));
            return;
        }
        let back = word.strip_prefix('<');
        let intent = if back.is_some() { Intent::Rollback } else { Intent::Deploy };
        let word = back.unwrap_or(word);
        let how = word.chars().next().filter(|how| "-~%?=&".contains(*how));
        let outcome = match how {
            None => Some(Outcome::Succeeded),
            Some('-' | '~' | '%') => Some(Outcome::RolledBack),
            Some('?') => Some(Outcome::Stuck),
            Some('=') => Some(Outcome::Held),
            Some(_) => None,
        };
        let shipped = stood(word.trim_start_matches(|it| Some(it) == how));
        let mut targets = BTreeMap::new();
        for (target, live) in &mut self.live {
            let left = match (how, target.as_str()) {
                (None, _) | (Some('%'), "a") => Left::Shipped,
                (Some('-' | '~' | '%'), _) => Left::Before,
                (Some(_), _) => Left::Unknown,
            };
            let before = live.stood.clone();
            if left == Left::Shipped {
                live.stood = Some(shipped.clone());
            }
            targets.insert(target.clone(), PastTarget { shipped: shipped.clone(), before, left, is_touched: true });
        }
        let letter = char::from(b'a' + u8::try_from(self.past.len()).unwrap());
        let run = RunId::parse(&format!("20260101-000000-aaa{letter}")).unwrap();
        let (is_stopped_by_person, release) = (how == Some('~'), shipped.label);
        self.past.push(PastRun { run, intent, release, outcome, is_stopped_by_person, targets });
    }

    fn shows(&mut self, target: &str, what: &str) {
        let (what, share) = what.split_once('/').map_or((what, None), |(what, share)| (what, Some(share)));
        let stood = (!what.is_empty()).then(|| stood(what));
        self.live.insert(name(target), Live { stood, is_split: share.is_some() });
    }

    fn goes(&self) -> String {
        let letter = |run: &RunId| run.as_str().chars().last().unwrap();
        let names = |names: &[String]| {
            names.iter().map(|it| it.replace("20260101-000000-aaa", "run ")).collect::<Vec<_>>().join(", ")
        };
        match goal(&self.past, &self.live, self.to.as_deref()) {
            Ok(Goal::Go(way)) => {
                let made = way.made.as_ref().map(|run| format!(" of {}", letter(run))).unwrap_or_default();
                let why = match way.why {
                    Why::Before => "",
                    Why::Recorded => ", as recorded",
                    Why::Named => ", as named",
                };
                format!("{} -> {}{made}{why}", way.from, way.release)
            }
            Ok(Goal::Serves(way)) => format!("{} serves", way.release),
            Ok(Goal::Recover(way)) => format!("{} goes on to {}", letter(&way.parent), way.release),
            Err(No::NothingShipped) => "nothing shipped".to_owned(),
            Err(No::NothingBefore { release }) => format!("nothing before {release}"),
            Err(No::TakenOut { release, by, options }) => {
                format!("{release} was taken out by {}; {}", letter(&by), names(&options))
            }
            Err(No::NotOurs { target, run, left, found, is_split, options }) => {
                let (left, found) = (left.unwrap_or_default(), found.unwrap_or_default());
                let share = if is_split { " shared" } else { "" };
                format!("{target}: {} left {left}, found {found}{share}; {}", letter(&run), names(&options))
            }
            Err(No::Ambiguous { label, runs }) => {
                format!("{label} is of {}", runs.iter().map(letter).collect::<String>())
            }
            Err(No::NeverLive { label, tried }) => {
                let tried = tried
                    .map(|(run, how)| {
                        format!(", {} {}", letter(&run), how.map_or("open".to_owned(), |how| format!("{how:?}")))
                    })
                    .unwrap_or_default();
                format!("{label} was never live{tried}")
            }
            Err(No::Incomplete { release, target }) => format!("{release} has no {target}"),
        }
    }
}

/// Every history once, and where `rollback` goes after it.
const HISTORIES: &[(&str, &str)] = &[
    // One after the other.
    ("base", "nothing shipped"),
    ("base r1", "r1 -> base"),
    ("base r1 r2 r3", "r3 -> r2 of b"),
    ("nothing r1", "nothing before r1"),
    ("nothing r1 r2", "r2 -> r1 of a"),
    // Twice, three times, and on: never the one that was just taken out.
    ("base r1 r2 r3 r4 <r3", "r3 -> r2 of b"),
    ("base r1 r2 r3 r4 <r3 <r2", "r2 -> r1 of a"),
    ("base r1 r2 <r1 <base", "nothing before base"),
    ("nothing r1 r2 <r1", "nothing before r1"),
    ("base r1 r2 r3 <r2 r4", "r4 -> r2 of d"),
    ("base r1 r2 r3 <r2 r4 <r2", "r2 -> r1 of a"),
    ("base r1 r2 r3 r4 <r2", "r2 -> r1 of a"),
    ("base r1 r2 r3 <r1 r4", "r4 -> r1 of d"),
    // Back to what was taken out, because a person named it.
    ("base r1 r2 r3 <r2 <r3", "r2 was taken out by e; r2, r1"),
    ("base r1 r2 r3 <r2 <r3 to=r2", "r3 -> r2 of d, as named"),
    ("base r1 r2 r3 <r2 to=r3", "r2 -> r3 of c, as named"),
    ("base r1 r2 r3 <r2 r3", "r3 -> r2 of d"),
    // What never was good is no goal.
    ("base r1 r2 -r3", "r2 -> r1 of a"),
    ("base r1 r2 ~r3", "r2 -> r1 of a"),
    ("base r1 -r2 -r3 r4", "r4 -> r1 of a"),
    ("base -r1", "nothing before base"),
    ("base r1 -r2 to=r2", "r2 was never live, b RolledBack"),
    ("base r1 to=r9", "r9 was never live"),
    ("base to=r1", "r1 was never live"),
    // A way back that failed is tried again; one that a person stopped is not.
    ("base r1 r2 r3 <-r2", "r3 -> r2 of b"),
    ("base r1 r2 r3 <~r2", "r2 was taken out by d; r2, r1"),
    ("base r1 r2 r3 <~r2 to=r2", "r3 -> r2 of b, as named"),
    // The same bytes again.
    ("base r1 r2 r3:r1", "r3 -> r2 of b"),
    ("base r1 r2 r3:r1 <r2", "r1 was taken out by d; r1, base"),
    ("base r1 r2 r3 ~r1", "r3 -> r2 of b"),
    ("base r1 r2 ~r1", "r1 was taken out by c; r1, base"),
    ("base r1 r2 ~r1 r3 <r2", "r1 was taken out by c; r1, base"),
    ("base r1 r1:r1", "r1 -> base"),
    ("base r1 r2 r3:r2", "r3 -> r1 of a"),
    // Stuck: what the run had found, and nothing else; then the line goes on from what is seen.
    ("base r1 r2 ?r3", "c goes on to r2"),
    ("base r1 r2 ?r3 a=r3 b=r3", "c goes on to r2"),
    ("base r1 r2 ?r3 a=r3", "c goes on to r2"),
    ("base r1 r2 ?r3 a=r2/r3", "c goes on to r2"),
    ("base r1 r2 ?r3 a=z", "a: c left r2, found z; r2, r1"),
    ("base r1 r2 ?r3 ?r3", "d goes on to r2"),
    ("base r1 r2 ?r3 -r3", "r2 -> r1 of a"),
    ("base r1 r2 ?r3 a=r3 b=r3 r4", "r3 was taken out by c; r3, r2"),
    ("base r1 r2 r3 <?r2", "d goes on to r3"),
    ("base r1 r2 r3 <?r2 a=r2 b=r2", "d goes on to r3"),
    ("nothing ?r1", "nothing before r1"),
    ("nothing ?r1 a=r1 b=r1", "nothing before r1"),
    ("base r1 r2 ?r3 to=r1", "r2 -> r1 of a, as named"),
    ("base r1 r2 ?r3 to=r2", "c goes on to r2"),
    ("base r1 r2 ?r3 a=r3 b=r3 to=r3", "r3 was never live, c Stuck"),
    // Held, and not ended.
    ("base r1 r2 =r3", "r2 serves"),
    ("base r1 r2 =r3 a=r2/z", "a: c left r2, found r2 shared; r2, r1"),
    ("base r1 r2 =r3 a=r3 b=r3", "r3 -> r2 of b, as recorded"),
    ("base r1 r2 =r3 a=z b=z", "a: c left r2, found z; r2, r1"),
    ("base r1 r2 &r3", "c goes on to r2"),
    ("base r1 &r2 r3", "r3 -> r1 of a"),
    // Somebody else.
    ("base r1 r2 *z", "a: b left r2, found z; r2, r1"),
    ("base r1 r2 *r1", "a: b left r2, found r1; r2, r1"),
    ("base r1 r2 *z to=r2", "z -> r2 of b, as named"),
    ("base r1 r2 *z to=r1", "z -> r1 of a, as named"),
    ("base r1 r2 *z r3", "r3 -> z"),
    ("base r1 r2 r3 <r2 *r3 r4", "r3 was taken out by d; r3, r2"),
    ("base r1 r2 a=r2/r1", "a: b left r2, found r2 shared; r2, r1"),
    ("base r1 r2 a=", "a: b left r2, found ; r2, r1"),
    ("base r1 r2 b=z", "b: b left r2, found z; r2, r1"),
    // Stages that kept it.
    ("base r1 %r2", "r2-r1 -> r1 of a"),
    ("base r1 %r2 r3", "r3 -> r2-r1 of b"),
    ("base r1 %r2 to=r2", "r2 was never live, b RolledBack"),
    ("base r1 %r2 r2", "r2 -> r2-r1 of b"),
    // What is live is named, labels and runs.
    ("base r1 r2 to=r2", "r2 serves"),
    ("base r1 r2 to=r1", "r2 -> r1 of a, as named"),
    ("base r1 r2 to=base", "r2 -> base, as named"),
    ("base r1 r2 r1:x r3 to=r1", "r1 is of ca"),
    ("base r1 r2 r1:x r3 to=20260101-000000-aaaa", "r3 -> r1 of a, as named"),
    ("base r1 r2 r1:x r3 ~r1:x r4 <r3", "r1 was taken out by e; run c, r2"),
    ("base r1 r2 r1:r1 r3 to=r1", "r3 -> r1 of c, as named"),
    ("base r1 r2 to=20260101-000000-aaab", "r2 serves"),
    // Targets that came later.
    ("base r1 r2 c=z", "c: b left , found z; r2, r1"),
    ("base r1 r2 c=z to=r1", "r1 has no c"),
    ("base r1 c= r2", "r1 has no c"),
    ("base r1 c=z r2", "r2 -> r1-z of a"),
];

#[test]
fn where_a_rollback_goes() {
    let mut wrong = Vec::new();
    for (history, goes) in HISTORIES {
        let seen = World::of(history).goes();
        if seen != *goes {
            wrong.push(format!("{history}: {seen}, not {goes}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A target that the pipeline does not have any more decides nothing.
#[test]
fn what_was_left_out_of_the_pipeline_is_not_asked_for() {
    let mut world = World::of("base r1 r2 *z");
    world.shows("a", "r2");
    world.live.remove(&name("b"));
    assert_eq!(world.goes(), "r2 -> r1 of a");
    world.live.remove(&name("a"));
    assert_eq!(world.goes(), "nothing shipped");
}

/// Bundles of other people are known by their place, and by their version where both are known.
#[test]
fn what_is_the_same() {
    let place = |key: &str, version: Option<&str>| Revision {
        bucket: "theirs".to_owned(),
        key: key.to_owned(),
        version: version.map(str::to_owned),
        etag: None,
    };
    let is = |one: Revision, other: Revision| Stood { label: String::new(), revision: one }.is(&other);
    for (one, other, same) in [
        (place("app.zip", None), place("app.zip", Some("1")), true),
        (place("app.zip", Some("1")), place("app.zip", Some("2")), false),
        (place("app.zip", None), place("api.zip", None), false),
        (revision("r1"), Revision { bucket: "moved".to_owned(), ..revision("r1") }, true),
        (revision("r1"), place("app.zip", None), false),
    ] {
        assert_eq!(is(one.clone(), other.clone()), same, "{one:?} {other:?}");
    }
}
