//! Programs, each in a process group of its own that does not outlive it. They are waited for on a thread of their own:
//! virtual time stands still meanwhile, because what they take is wire time.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::model::command::{Ended, Exit};
use crate::model::harmless_lines;

/// Most bytes that are kept of what a program writes; lines that are told, and characters of each.
const KEPT: usize = 16 * 1024;
const LINES: usize = 20;
const WIDTH: usize = 400;

/// How long a program that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_millis(1500);

/// How long the rest of what it wrote is waited for once it has ended: a process that left its group may hold the pipe.
const REST: Duration = Duration::from_millis(500);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The program and its arguments.
    pub run: Vec<String>,
    /// Where it is run; paths of programs are relative to it.
    pub directory: PathBuf,
    /// What is added to the environment that shipit has itself.
    pub facts: BTreeMap<&'static str, String>,
    /// How long it may take (wire time).
    pub within: Duration,
}

/// Tells the thread to stop the program when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a program to its end, or until `interrupted` is: then it is asked to end, and killed soon after.
pub async fn run(order: Order, interrupted: impl Future<Output = ()>) -> Ended {
    let stop = Arc::new(AtomicBool::new(false));
    let _guard = StopOnDrop(Arc::clone(&stop));
    let told = Arc::clone(&stop);
    let mut running = tokio::task::spawn_blocking(move || run_here(&order, &told));
    let ended = tokio::select! {
        biased;
        ended = &mut running => ended,
        () = interrupted => {
            stop.store(true, Ordering::Relaxed);
            running.await
        }
    };
    ended.unwrap_or_else(|_| Ended::silent(Exit::Interrupted))
}

/// The file of a program, if it can be started: a path relative to the directory, a name by the caller's `PATH`.
///
/// # Errors
/// Why it cannot be started here.
pub fn find(program: &str, directory: &Path, path: Option<&str>) -> Result<PathBuf, String> {
    let is_executable = |file: &Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        let file = directory.join(program);
        return match file.metadata() {
            Ok(meta) if !meta.is_file() => Err(format!("{program} is no file")),
            Ok(_) if is_executable(&file) => Ok(file),
            Ok(_) => Err(format!("{program} is not executable")),
            Err(_) => Err(format!("{program} is not there")),
        };
    }
    let mut folders = path.unwrap_or_default().split(':').filter(|folder| !folder.is_empty());
    let found = folders.find_map(|folder| Some(Path::new(folder).join(program)).filter(|file| is_executable(file)));
    found.ok_or_else(|| format!("{program} is not in PATH"))
}

fn run_here(order: &Order, stop: &AtomicBool) -> Ended {
    let mut child = match start(order) {
        Ok(started) => started,
        Err(why) => return Ended::silent(Exit::Missing(why)),
    };
    let exit = wait(&mut child.0, order.within, stop);
    Ended { exit, tail: child.1.tail() }
}

/// What a program writes, of which the end is kept.
struct Output {
    kept: Arc<Mutex<VecDeque<u8>>>,
    is_whole: mpsc::Receiver<()>,
}

impl Output {
    fn tail(&self) -> Vec<String> {
        let _ = self.is_whole.recv_timeout(REST);
        let kept: Vec<u8> = self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        harmless_lines(&String::from_utf8_lossy(&kept), LINES, WIDTH)
    }
}

fn start(order: &Order) -> Result<(Child, Output), String> {
    let program = order.run.first().ok_or_else(|| "there is no program to run".to_owned())?;
    let here = if program.contains('/') { order.directory.join(program) } else { PathBuf::from(program) };
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{program} is not on this machine"),
        std::io::ErrorKind::PermissionDenied => format!("{program} is not executable on this machine"),
        _ => format!("{program} cannot be started on this machine: {error}"),
    };
    let (reader, writer) = std::io::pipe().map_err(cannot)?;
    let mut command = Command::new(here);
    command
        .args(order.run.iter().skip(1))
        .current_dir(&order.directory)
        .envs(&order.facts)
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(cannot)?)
        .stderr(writer)
        .process_group(0);
    let child = command.spawn().map_err(cannot)?;
    // The pipe's other end closes with the program's.
    drop(command);
    Ok((child, keep(reader)))
}

fn keep(mut reader: std::io::PipeReader) -> Output {
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let (whole, is_whole) = mpsc::channel();
    let mine = Arc::clone(&kept);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let mut kept = mine.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&buffer[..count]);
            let more = kept.len().saturating_sub(KEPT);
            kept.drain(..more);
        }
        let _ = whole.send(());
    });
    Output { kept, is_whole }
}

/// Waits for a program's end. Whatever is left of its group then is killed, before its id can be given to others.
fn wait(child: &mut Child, within: Duration, stop: &AtomicBool) -> Exit {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Exit::Interrupted };
    let began = Instant::now();
    let mut stopped: Option<(Exit, Instant)> = None;
    let mut pause = Duration::from_millis(2);
    let is_over = || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(WaitId::Pid(group), options).map_or(true, |status| status.is_some())
    };
    while !is_over() {
        if stopped.is_none() {
            let why = if stop.load(Ordering::Relaxed) {
                Some(Exit::Interrupted)
            } else {
                (began.elapsed() >= within).then_some(Exit::TimedOut)
            };
            if let Some(why) = why {
                let _gone = kill_process_group(group, Signal::TERM);
                stopped = Some((why, Instant::now()));
            }
        } else if stopped.as_ref().is_some_and(|(_, at)| at.elapsed() >= GRACE) {
            let _gone = kill_process_group(group, Signal::KILL);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    let _gone = kill_process_group(group, Signal::KILL);
    let status = child.wait();
    match (stopped, status) {
        // Many a program ends with 0 when it is asked to: that says nothing.
        (Some((why, _)), _) => why,
        (None, Ok(status)) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        },
        (None, Err(_)) => Exit::Interrupted,
    }
}
