//! `shipit status --watch`: the run under way as it goes on, seen from any machine, until it ends. It reads only: the journal
//! and the lock every few seconds, AWS seldom and in batches.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Ended;
use super::args::{Output, StatusArgs};
use super::around::{Around, Sink};
use super::look::{Look, look_at, read_due, sites};
use super::project::{Cloud, Project};
use super::runs::{self, Loaded};
use crate::config::Need;
use crate::engine::Site;
use crate::error::Result;
use crate::event::Envelope;
use crate::model::pipeline::Target;
use crate::model::{Name, RunId};
use crate::plan::Plan;
use crate::probe::Prober;
use crate::report::status::{Driver, watch_lines};
use crate::report::style::Mark;
use crate::report::words;
use crate::report::{Line, StatusView, Style, ending, lines, status_text};
use crate::store::{Journal, StoreError, lock};

/// How often the journal and the lock are read, AWS is asked, and the screen is drawn (wire time).
const STORE: Duration = Duration::from_secs(3);
const WORLD: Duration = Duration::from_secs(12);
const DRAW: Duration = Duration::from_secs(1);

/// What is seen of a run, and by whom it is shown.
struct Watching<'a> {
    project: &'a Project,
    cloud: &'a Cloud,
    around: &'a Around,
    prober: Prober,
    sites: Vec<Site>,
    plan: Arc<Plan>,
    run: RunId,
    seen: Mutex<Seen>,
}

struct Seen {
    look: Look,
    /// What has happened since it was shown last.
    news: Vec<Line>,
    /// Records that were taken in.
    records: usize,
    /// What cannot be reached, and since when.
    store_trouble: Option<(String, Timestamp)>,
}

pub async fn run(args: &StatusArgs, around: &mut Around) -> Ended {
    let project = Project::open(&args.at, around, Need::Targets)?;
    let cloud = project.cloud(around, "shipit-watch").await;
    // The first signal ends the view.
    around.lets_go(None);
    let prober = Prober::new(around.http.clone());
    let look = Look::at(&project, &cloud, &prober, around.clock.now()).await?;
    let Some(run) = look.run() else {
        let text = status_text(&look.told(&project, around.clock.now()), around.out_style);
        let _ = around.out.write_all(text.as_bytes());
        return Ok(0);
    };
    let (plan, id, records) = (Arc::clone(&run.plan), run.state.run.clone(), run.envelopes.len());
    let sites = sites(&cloud, &plan).await;
    let seen = Mutex::new(Seen { look, news: Vec::new(), records, store_trouble: None });
    let mut out = around.out.clone();
    let is_live = around.is_live && around.out_style.wraps && args.output != Output::Plain;
    let watching = Watching { project: &project, cloud: &cloud, around, prober, sites, plan, run: id, seen };
    let mut interrupt = around.interrupt.clone();
    let ended = tokio::select! {
        ended = watching.read_journal() => ended.map(|()| true),
        () = watching.read_world() => Ok(true),
        () = watching.show(is_live, &mut out) => Ok(true),
        _ = interrupt.wait_for(|is_told| *is_told) => Ok(false),
    };
    let is_over = ended?;
    let text = watching.last_words(is_over, is_live);
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(0)
}

impl Watching<'_> {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is written, until the run has ended.
    async fn read_journal(&self) -> Result<()> {
        let mut journal = self.seen().look.run().map(|run| run.journal.clone());
        loop {
            let read = match &mut journal {
                Some(journal) => journal.catch_up().await,
                None => self.read_again().await.map(|(again, envelopes)| {
                    journal = Some(again);
                    envelopes
                }),
            };
            let now = self.around.clock.now();
            match read {
                Ok(envelopes) => {
                    let mut seen = self.seen();
                    seen.recovers(now);
                    seen.take_in(&self.plan, envelopes);
                    if seen.look.run().is_none_or(|run| run.state.has_ended()) {
                        return Ok(());
                    }
                }
                Err(StoreError::Aws(error)) => {
                    // What was read of a list that broke off is not known; the next time it is read from its beginning.
                    journal = None;
                    self.seen().suffers(error.to_string(), now);
                }
                Err(error) => return Err(error.into()),
            }
            match lock::read(&self.cloud.bucket, &self.cloud.keys).await {
                Ok(found) => self.seen().drives(found.lock, now),
                Err(error) => self.seen().suffers(error.to_string(), now),
            }
            tokio::time::sleep(STORE).await;
        }
    }

    /// The journal from its beginning, and what of it is new.
    async fn read_again(&self) -> std::result::Result<(Journal, Vec<Envelope>), StoreError> {
        let loaded = runs::load(&self.cloud.bucket, &self.cloud.keys, &self.run).await?;
        let Loaded { journal, mut envelopes, .. } =
            loaded.ok_or_else(|| self.cloud.bucket.corrupt(&self.cloud.keys.plan(&self.run), "is gone"))?;
        let known = self.seen().records.min(envelopes.len());
        Ok((journal, envelopes.split_off(known)))
    }

    /// Looks at AWS again and again. What does not answer is told in the view.
    async fn read_world(&self) {
        let targets: Vec<(&Name, &Target)> = self.project.pipeline.targets.iter().collect();
        loop {
            tokio::time::sleep(WORLD).await;
            let (state, view) = {
                let seen = self.seen();
                (seen.look.run().map(|run| run.state.clone()), seen.look.view.clone())
            };
            let now = self.around.clock.now();
            let read = async {
                let (Some(state), Some(mut view)) = (state, view) else { return None };
                read_due(&self.plan, &state, &self.sites, &self.prober, &mut view, now).await;
                view.account(&self.plan, &state, now);
                Some(view)
            };
            let (found, view) = tokio::join!(look_at(self.cloud, &targets), read);
            self.seen().look.sees(found, view);
        }
    }

    /// Shows what is seen: on a screen of its own, or a line for everything that happens.
    async fn show(&self, is_live: bool, out: &mut Sink) {
        let mut screen = is_live.then(|| Screen::open(out.clone()));
        if !is_live {
            let _ = out.write_all(status_text(&self.view(), self.around.out_style).as_bytes());
        }
        loop {
            match &mut screen {
                Some(screen) => screen.draw(&|style| watch_lines(&self.view(), style), self.around.out_style),
                None => self.say_news(out),
            }
            tokio::time::sleep(DRAW).await;
        }
    }

    fn say_news(&self, out: &mut Sink) {
        let news = std::mem::take(&mut self.seen().news);
        for line in news {
            let _ = writeln!(out, "{}", line.render(&self.around.out_style));
        }
        let _ = out.flush();
    }

    fn view(&self) -> StatusView {
        let seen = self.seen();
        let now = self.around.clock.now();
        let mut view = seen.look.told(self.project, now);
        if let Some((why, since)) = &seen.store_trouble {
            let since = words::clock(*since);
            view.notes.push(format!("nothing was read from the store since {since}: {why}"));
        }
        view
    }

    /// What stays on the screen.
    fn last_words(&self, is_over: bool, is_live: bool) -> String {
        let mut text = String::new();
        if !is_live {
            for line in std::mem::take(&mut self.seen().news) {
                text.push_str(&(line.render(&self.around.out_style) + "\n"));
            }
        }
        let seen = self.seen();
        match seen.look.run() {
            Some(run) if is_over => {
                let Loaded { plan, state, .. } = run;
                text.push_str(&ending(plan, state, &self.project.invocation, false, self.around.out_style));
            }
            Some(_) | None => {
                drop(seen);
                text.push_str(&status_text(&self.view(), self.around.out_style));
            }
        }
        text
    }
}

impl Seen {
    fn take_in(&mut self, plan: &Plan, envelopes: Vec<Envelope>) {
        for envelope in envelopes {
            let Some(run) = self.look.run_mut() else { return };
            let said = lines(plan, &run.state, &envelope);
            run.state.apply(plan, envelope.at, &envelope.record);
            self.records += 1;
            self.news.extend(said);
        }
    }

    /// Takes in the lock, and says it when somebody else drives now, or nobody.
    fn drives(&mut self, lock: lock::Lock, now: Timestamp) {
        let who = |look: &Look| look.driver().filter(Driver::is_alive).map(|driver| driver.holder);
        let before = who(&self.look);
        self.look.holds(lock);
        let after = who(&self.look);
        if before != after {
            let text = after.map_or_else(|| "nobody drives it".to_owned(), |holder| format!("{holder} drives it"));
            self.news.push(note(now, Mark::Still, text));
        }
    }

    fn suffers(&mut self, why: String, now: Timestamp) {
        if self.store_trouble.is_none() {
            self.news.push(note(now, Mark::Trouble, format!("nothing can be read from the store: {why}")));
        }
        let since = self.store_trouble.take().map_or(now, |(_, since)| since);
        self.store_trouble = Some((why, since));
    }

    fn recovers(&mut self, now: Timestamp) {
        if self.store_trouble.take().is_some() {
            self.news.push(note(now, Mark::Still, "the store can be read again".to_owned()));
        }
    }
}

fn note(at: Timestamp, mark: Mark, text: String) -> Line {
    Line { at, mark, place: String::new(), text }
}

/// The terminal's other screen, which is given back however this ends.
struct Screen(Sink);

impl Screen {
    fn open(mut out: Sink) -> Screen {
        let _ = out.write_all(b"\x1b[?1049h\x1b[?25l");
        Screen(out)
    }

    /// Draws all of it anew: whatever the size was before, nothing of it is left.
    fn draw(&mut self, lines: &dyn Fn(Style) -> Vec<String>, style: Style) {
        let (columns, rows) = size().unwrap_or((style.width, 24));
        let mut lines = lines(Style { width: columns.clamp(20, 200), ..style });
        let room = rows.saturating_sub(1).max(3);
        if lines.len() > room {
            let more = lines.len() - room + 1;
            lines.truncate(room - 1);
            lines.push(style.text(&format!("… {more} more lines")));
        }
        let mut text = String::from("\x1b[H");
        for line in lines {
            text.push_str(&line);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        let _ = self.0.write_all(text.as_bytes()).and_then(|()| self.0.flush());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.0.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| self.0.flush());
    }
}

/// Columns and rows of the terminal, as it says itself now.
fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some((usize::from(size.ws_col), usize::from(size.ws_row))).filter(|(columns, rows)| *columns > 0 && *rows > 0)
}
