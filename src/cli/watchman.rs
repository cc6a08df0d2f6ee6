//! Signals are heard on a thread of their own: whatever becomes of the command's task, a process that is told to go goes.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::error::Kind;

/// A driver that was interrupted ends within five seconds, whatever AWS does.
const FAREWELL: Duration = Duration::from_millis(4800);

/// How long the command's task has to say the end itself, and then its last words.
const GRACE: Duration = Duration::from_millis(500);

/// The command by which a run is gone on with, while there is something to let go of.
type Driving = Arc<Mutex<Option<String>>>;

/// Says that the process has to end, with its exit code.
pub struct Told(oneshot::Receiver<u8>);

impl Told {
    /// Waits for it.
    pub async fn recv(&mut self) -> u8 {
        match (&mut self.0).await {
            Ok(code) => code,
            // No thread could be had: the default actions stay.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Takes the signals over. The first one turns `stop` true if something is driven; otherwise, and at the second, and when
/// a driver does not let go in time, the command is told to end. If it does not even do that, `last_words` are said and
/// the process ends. Where signals cannot be taken over, the default actions stay: the process just ends, and a run can be
/// resumed.
pub fn stand(
    stop: watch::Sender<bool>,
    driving: Driving,
    last_words: impl FnOnce(u8, Option<String>) + Send + 'static,
) -> Told {
    let (tell, told) = oneshot::channel();
    let (ready, is_ready) = mpsc::channel();
    let watch = move || {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Some(mut signals) = Signals::new() else { return };
            let _ = ready.send(());
            let code = wait(&mut signals, &stop, &driving).await;
            let _ = tell.send(code);
            tokio::time::sleep(GRACE).await;
            leave(code, resume_of(&driving), last_words);
        });
    };
    if std::thread::Builder::new().name("signals".to_owned()).spawn(watch).is_ok() {
        // An error says the same as a signal that was taken over: it will not be any more ready.
        let _ = is_ready.recv();
    }
    Told(told)
}

/// Ends the process. What the last words need may be in the hands of whoever hangs.
fn leave(code: u8, resume: Option<String>, last_words: impl FnOnce(u8, Option<String>) + Send + 'static) {
    let (said, is_said) = mpsc::channel();
    std::thread::spawn(move || {
        last_words(code, resume);
        let _ = said.send(());
    });
    let _ = is_said.recv_timeout(GRACE);
    std::process::exit(i32::from(code));
}

fn resume_of(driving: &Driving) -> Option<String> {
    driving.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Waits until the process has to end; gives the exit code.
async fn wait(signals: &mut impl Next, stop: &watch::Sender<bool>, driving: &Driving) -> u8 {
    let first = signals.next().await;
    // A command that is not driving has nothing to let go of.
    if resume_of(driving).filter(|_| stop.send(true).is_ok()).is_none() {
        return first;
    }
    match tokio::time::timeout(FAREWELL, signals.next()).await {
        Ok(second) => second,
        Err(_) => Kind::NotFinished.exit_code(),
    }
}

/// Where signals come from.
trait Next {
    /// The exit code of a process that the next one ends.
    async fn next(&mut self) -> u8;
}

/// The signals by which a terminal, a CI system or a machine that shuts down asks a process to go.
struct Signals([(Signal, u8); 3]);

impl Signals {
    fn new() -> Option<Signals> {
        let take = |kind: SignalKind, code: u8| Some((signal(kind).ok()?, code));
        let int = take(SignalKind::interrupt(), 130)?;
        let term = take(SignalKind::terminate(), 143)?;
        Some(Signals([int, term, take(SignalKind::hangup(), 129)?]))
    }
}

impl Next for Signals {
    async fn next(&mut self) -> u8 {
        let [(int, on_int), (term, on_term), (hup, on_hup)] = &mut self.0;
        tokio::select! {
            _ = int.recv() => *on_int,
            _ = term.recv() => *on_term,
            _ = hup.recv() => *on_hup,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal as Kill, kill_process};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// Set for the process that hangs: this test, started once more by itself.
    const HANGS: &str = "SHIPIT_TEST_HANGS";

    #[test]
    fn a_process_whose_task_hangs_goes_when_it_is_told_to() {
        if std::env::var_os(HANGS).is_some() {
            let (stop, _interrupt) = watch::channel(false);
            let say = |what: String| writeln!(std::io::stdout(), "{what}").unwrap();
            let _told = stand(stop, Arc::default(), move |code, _| say(format!("last words, {code}")));
            say("stands".to_owned());
            loop {
                std::thread::park();
            }
        }
        let test = "cli::watchman::tests::a_process_whose_task_hangs_goes_when_it_is_told_to";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(HANGS, "1").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("stands")));
        kill_process(Pid::from_child(&child), Kill::TERM).unwrap();
        assert!(lines.any(|line| line == "last words, 143"));
        assert_eq!(child.wait().unwrap().code(), Some(143));
    }

    impl Next for UnboundedReceiver<u8> {
        async fn next(&mut self) -> u8 {
            match self.recv().await {
                Some(code) => code,
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_asks_and_the_second_does_not() {
        for (is_driving, signals, code, is_asked) in
            [(false, &[143][..], 143, false), (true, &[143], 13, true), (true, &[143, 130], 130, true)]
        {
            let (stop, interrupt) = watch::channel(false);
            let driving: Driving = Arc::new(Mutex::new(is_driving.then(|| "shipit resume".to_owned())));
            let (send, mut receive) = unbounded_channel();
            signals.iter().for_each(|signal| send.send(*signal).unwrap());
            assert_eq!(wait(&mut receive, &stop, &driving).await, code);
            assert_eq!(*interrupt.borrow(), is_asked);
        }
    }
}
