//! The process around a command: clock, credentials, terminal, signals.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::around::{Around, Sink};
use crate::engine::Pace;
use crate::error::Kind;
use crate::report::{Style, Surroundings};
use crate::store::holder::Holder;
use crate::time::Clock;

/// A driver that was interrupted ends within five seconds, whatever AWS does.
const FAREWELL: Duration = Duration::from_millis(4800);

/// Runs the command line of this process; gives the exit code.
pub fn main() -> u8 {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.get(1).is_some_and(|word| word == "sandbox-hosts") {
        return u8::try_from(crate::sandbox::hosts::supervisor::supervise()).unwrap_or(1);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(_) => return 1,
    };
    let code = runtime.block_on(command(&words));
    // A call that hangs must not hold the process: what matters is durable.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn command(words: &[String]) -> u8 {
    let (stop, interrupt) = watch::channel(false);
    let clock = match std::env::var("SHIPIT_CLOCK") {
        Err(_) => Ok(Clock::wall()),
        Ok(text) => Clock::from_text(&text).map_err(|why| format!("SHIPIT_CLOCK: {why}")),
    };
    let mut err = Sink::new(io::stderr());
    let clock = match clock {
        Ok(clock) => clock,
        Err(why) => {
            let _ = io::Write::write_all(&mut err, format!("error: {why}\n").as_bytes());
            return 2;
        }
    };
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http.clone()).load().await;
    let (out_style, err_style) = (style(&io::stdout()), style(&io::stderr()));
    let driving = Arc::new(Mutex::new(None));
    let mut around = Around {
        driving: Arc::clone(&driving),
        clock,
        config,
        http,
        out: Sink::new(io::stdout()),
        err,
        out_style,
        err_style,
        is_live: io::stderr().is_terminal() && err_style.colour,
        holder: Holder::this_process(&who()),
        interrupt,
        pace: Pace::default(),
        directory: std::env::current_dir().unwrap_or_default(),
    };
    tokio::select! {
        code = super::run(words, &mut around) => code,
        code = watch_signals(stop, driving) => code,
    }
}

/// The first signal lets the driver go; the second ends the process at once. Gives the exit code then.
async fn watch_signals(stop: watch::Sender<bool>, driving: Arc<Mutex<Option<String>>>) -> u8 {
    let (Ok(mut int), Ok(mut term), Ok(mut hup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        // Without signals the default actions stay: the process just ends, and the run can be resumed.
        return std::future::pending().await;
    };
    let mut next = async || {
        tokio::select! {
            _ = int.recv() => 130,
            _ = term.recv() => 143,
            _ = hup.recv() => 129,
        }
    };
    let first = next().await;
    let resume = driving.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // A command that is not driving has nothing to let go of.
    let Some(resume) = resume.filter(|_| stop.send(true).is_ok()) else { return first };
    match tokio::time::timeout(FAREWELL, next()).await {
        Ok(second) => second,
        Err(_) => {
            if !resume.is_empty() {
                let text = format!("interrupted; AWS did not answer in time to say so there\n  help: {resume}\n");
                let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            }
            Kind::NotFinished.exit_code()
        }
    }
}

fn style(stream: &(impl IsTerminal + AsFd)) -> Style {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().map(|name| variable(name)).find(|value| !value.is_empty());
    Style::choose(&Surroundings {
        is_terminal: stream.is_terminal(),
        columns: variable("COLUMNS").parse().ok().or_else(|| columns(stream)),
        no_color: variable("NO_COLOR"),
        term: variable("TERM"),
        locale: locale.unwrap_or_default(),
    })
}

/// The columns of a terminal, as it says itself; a terminal that does not know says none.
fn columns(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// `user@host`, for people.
fn who() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let host = variable("HOSTNAME").or(host).unwrap_or_else(|| "somewhere".to_owned());
    format!("{user}@{host}")
}
