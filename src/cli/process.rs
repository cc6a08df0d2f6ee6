//! The process around a command: clock, credentials, terminal, signals.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::watch;

use super::around::{Around, Sink};
use super::ci::{Ci, System};
use super::ended::{guessed, interrupted};
use super::outlets::Outlets;
use super::watchman;
use crate::engine::Pace;
use crate::report::{Guard, Style, Surroundings, Workflow};
use crate::store::holder::Holder;
use clock::Clock;

/// Commands that never ask AWS anything. To look for a region or credentials would already ask the instance metadata
/// service.
const OFFLINE: &[&str] = &["validate", "schema", "rehearse", "sandbox", "help"];

/// Runs the command line of this process; gives the exit code.
pub fn main() -> u8 {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if words.get(1).is_some_and(|word| word == "sandbox-hosts") {
        return u8::try_from(::sandbox::hosts::supervisor::main(words.get(2..).unwrap_or_default())).unwrap_or(1);
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
    let ci = Ci::of(|name| std::env::var(name).ok());
    let streams = streams(&ci);
    let driving = Arc::new(Mutex::new(None));
    // Before anything takes time: from here on no signal ends the process without a result.
    let last_words = LastWords { words: words.to_vec(), outlets: streams.outlets.clone(), err: streams.err.clone() };
    let mut told = watchman::stand(stop, Arc::clone(&driving), move |code, resume| last_words.say(code, resume));
    let clock = super::clock::of(std::env::var("SHIPIT_CLOCK").ok());
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let is_offline = words.get(1).is_none_or(|word| OFFLINE.contains(&word.as_str()) || word.starts_with('-'));
    let loading = async {
        match is_offline {
            true => aws_types::SdkConfig::builder().build(),
            false => aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http.clone()).load().await,
        }
    };
    let (config, interrupted) = tokio::select! {
        config = loading => (config, None),
        code = told.recv() => (aws_types::SdkConfig::builder().build(), Some(code)),
    };
    let (out_style, err_style) = (style(&io::stdout()), style(&io::stderr()));
    let mut around = Around {
        driving: Arc::clone(&driving),
        clock: clock.as_ref().map_or_else(|_| Clock::wall(), Clone::clone),
        config,
        http,
        out: streams.out,
        err: streams.err,
        out_style,
        err_style,
        is_live: io::stderr().is_terminal() && err_style.colour,
        holder: Holder::this_process(&who(&ci)),
        interrupt,
        pace: Pace::default(),
        directory: std::env::current_dir().unwrap_or_default(),
        is_out_elsewhere: ci.system == System::Jenkins && !is_same_file("/proc/self/fd/1", "/proc/self/fd/2"),
        ci,
        workflow: streams.workflow,
        outlets: streams.outlets,
        env: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    if let Err(failure) = clock {
        super::say_failure(&failure, &mut around);
        return around.end_unparsed(words, &failure);
    }
    if let Some(code) = interrupted {
        return around.end_interrupted(words, code, None);
    }
    let code = tokio::select! {
        code = super::run(words, &mut around) => return code,
        code = told.recv() => code,
    };
    let resume = driving.lock().unwrap_or_else(PoisonError::into_inner).take();
    around.end_interrupted(words, code, resume)
}

/// Where a process writes.
struct Streams {
    out: Sink,
    err: Sink,
    workflow: Option<Workflow>,
    outlets: Outlets,
}

/// In GitHub Actions nothing that is written is a command unless it is meant as one.
fn streams(ci: &Ci) -> Streams {
    if ci.system != System::GitHub {
        let (out, err) = (Sink::new(io::stdout()), Sink::new(io::stderr()));
        return Streams { out, err, workflow: None, outlets: Outlets::default() };
    }
    let workflow = Workflow::new(io::stderr());
    Streams {
        out: Sink::new(Guard::new(io::stdout())),
        err: Sink::new(Guard::new(io::stderr())),
        outlets: Outlets::of_step(ci.outputs.clone(), workflow.clone()),
        workflow: Some(workflow),
    }
}

/// Whether two open files are one, such as a terminal or the pipe of a build's log.
fn is_same_file(one: &str, other: &str) -> bool {
    let identity = |path: &str| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    identity(one) == identity(other)
}

/// What is said for a command that does not come to say it itself.
struct LastWords {
    words: Vec<String>,
    outlets: Outlets,
    err: Sink,
}

impl LastWords {
    fn say(mut self, code: u8, resume: Option<String>) {
        // Unless it has said it meanwhile.
        let unparsed = || self.outlets.are_untouched().then(|| guessed(&self.words));
        let Some(asked) = self.outlets.asked().or_else(unparsed) else { return };
        let document = interrupted(&self.outlets, &asked, code, resume);
        if let Some(error) = &document.error {
            let help = error.help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
            let _ = writeln!(self.err, "{}{help}", error.message);
        }
        self.outlets.close(&document);
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

/// `user@host`, for people, and the build if there is one.
fn who(ci: &Ci) -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let host = variable("HOSTNAME").or(host).unwrap_or_else(|| "somewhere".to_owned());
    let build = ci.build.as_ref().and_then(|build| build.name.as_ref());
    build.map_or_else(|| format!("{user}@{host}"), |build| format!("{user}@{host} in {build}"))
}
