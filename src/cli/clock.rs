//! The clock that this process is given: the wall's, or that of a sandbox's world.

use std::path::{Path, PathBuf};

use crate::error::{Failure, Kind, Result};
use clock::{Change, Clock, NOTICE};

/// How often changes are looked for: each is known before it takes effect.
const LOOK: u32 = 4;

/// The clock that `SHIPIT_CLOCK` tells: `<origin>@<speed>`, and after a comma the file with changes of the speed.
///
/// # Errors
/// It is set to something else.
pub fn of(variable: Option<String>) -> Result<Clock> {
    let Some(text) = variable else { return Ok(Clock::wall()) };
    let (text, changes) = text.split_once(',').map_or((text.as_str(), None), |(text, path)| (text, Some(path)));
    let clock = Clock::from_text(text).map_err(|why| Failure::new(Kind::Usage, format!("SHIPIT_CLOCK: {why}")))?;
    let Some(changes) = changes.map(PathBuf::from) else { return Ok(clock) };
    let clock = clock.changeable().with_past(look(&changes));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(NOTICE / LOOK).await;
            look(&changes).into_iter().for_each(|change| clock.learn(change));
        }
    });
    Ok(clock)
}

/// A file that cannot be read says nothing new; the next look may.
fn look(changes: &Path) -> Vec<Change> {
    let text = std::fs::read_to_string(changes).unwrap_or_default();
    text.split_inclusive('\n').filter_map(Change::from_text).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use clock::wall_now;

    #[tokio::test]
    async fn a_clock_follows_the_changes_of_another_process() {
        let path = std::env::temp_dir().join(format!("shipit-clock-{}", std::process::id()));
        std::fs::write(&path, "half of a li").unwrap();
        let theirs = Clock::starting_at(wall_now() + SignedDuration::from_secs(1000), 40.0).changeable();
        let ours = of(Some(format!("{},{}", theirs.to_text(), path.display()))).unwrap();
        std::fs::write(&path, theirs.change(4.0).to_text()).unwrap();
        tokio::time::sleep(NOTICE * 2).await;
        let apart = ours.now().duration_since(theirs.now()).abs();
        assert_eq!((ours.speed(), theirs.speed()), (4.0, 4.0));
        assert!(apart < SignedDuration::from_secs(5), "{apart}");
        tokio::time::sleep(NOTICE).await;
        let later = of(Some(format!("{},{}", theirs.to_text(), path.display()))).unwrap();
        let apart = later.now().duration_since(theirs.now()).abs();
        assert!(apart < SignedDuration::from_secs(1), "{apart}");
        std::fs::remove_file(&path).unwrap();
        assert!(of(Some("x@1".to_owned())).is_err());
    }
}
