//! Starting an environment: the bundle unpacked, the runtime chosen, the process in its environment.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::super::super::hosts::agent::bundle;
use super::super::super::hosts::agent::download;
use super::super::super::hosts::processes::Processes;
use super::super::super::hosts::supervisor::Said;
use super::super::environment::Task;
use super::RealFunctions;
use super::api::Endpoint;
use super::execution::Execution;

const PYTHON: &str = include_str!("bootstrap.py");
const NODE: &str = include_str!("bootstrap.mjs");

impl RealFunctions {
    /// Starts an environment for a version, whose turn lasts until it asks for work; or says why there can be none.
    pub(super) async fn start(&self, task: &Task, turn: OwnedSemaphorePermit) -> Result<Execution, String> {
        let said = |what: &str, why: io::Error| format!("{what}: {why}");
        let house = &self.house;
        let root = self.unpacked(task).await?;
        let processes = Processes::start(&house.program, &[]).map_err(|why| said("no init process", why))?;
        let processes = Arc::new(processes);
        let id = {
            let mut rooms = house.lock();
            if rooms.is_closed {
                return Err("the sandbox has ended".to_owned());
            }
            rooms.last += 1;
            let id = rooms.last;
            rooms.living.insert(id, processes.clone());
            id
        };
        let directory = house.directory.join(format!("environment-{id}"));
        let made = async {
            fs::create_dir_all(&directory).map_err(|why| said("no directory", why))?;
            let command = self.command(&processes, &task.config().runtime, &root).await?;
            let endpoint = Endpoint::open().await.map_err(|why| said("no endpoint", why))?;
            let env = environment(task, &root, &directory, &endpoint.address.to_string());
            let job = processes.run(command, env, root.to_string_lossy().into_owned());
            Ok((job, endpoint))
        };
        match made.await {
            Ok((job, endpoint)) => Ok(Execution {
                id,
                house: house.clone(),
                processes,
                directory,
                job,
                endpoint,
                waiting: None,
                turn: Some(turn),
                has_started: false,
                is_spent: false,
            }),
            Err(why) => {
                house.lock().living.remove(&id);
                Err(why)
            }
        }
    }

    /// The directory of a bundle's files. They are unpacked once and shared by all environments, as `/var/task` is
    /// read-only.
    async fn unpacked(&self, task: &Task) -> Result<PathBuf, String> {
        let code = task.content.code.clone();
        let mut unpacked = self.unpacked.lock().await;
        if let Some(path) = unpacked.get(&code.sha256) {
            return Ok(path.clone());
        }
        let path = self.house.directory.join(format!("code-{}", unpacked.len()));
        let (to, runtime) = (path.clone(), self.house.directory.clone());
        // Nothing has been started yet that reads them.
        let clients = if unpacked.is_empty() { &[("bootstrap.py", PYTHON), ("bootstrap.mjs", NODE)][..] } else { &[] };
        let work = move || -> Result<(), String> {
            // What a broken bundle left behind.
            let _none = fs::remove_dir_all(&to);
            fs::create_dir_all(&to).map_err(|why| why.to_string())?;
            for (name, text) in clients {
                fs::write(runtime.join(name), text).map_err(|why| why.to_string())?;
            }
            bundle::unpack_whole(&code.zip, |entry| download::place(&to, entry).map_err(|why| why.to_string()))
        };
        tokio::task::spawn_blocking(work).await.map_err(|why| why.to_string())??;
        unpacked.insert(task.content.code.sha256.clone(), path.clone());
        Ok(path)
    }

    /// What runs a function of this runtime.
    async fn command(&self, processes: &Processes, runtime: &str, root: &Path) -> Result<Vec<String>, String> {
        let script = |name: &str| self.house.directory.join(name).to_string_lossy().into_owned();
        if runtime.starts_with("python") {
            let python = self.python.get_or_try_init(|| python(processes)).await?;
            return Ok(vec![python.clone(), script("bootstrap.py")]);
        }
        if runtime.starts_with("nodejs") {
            let node = on_path("node").ok_or("this machine has no node")?;
            return Ok(vec![node, script("bootstrap.mjs")]);
        }
        if !runtime.starts_with("provided") {
            return Err(format!("this machine has no {runtime}"));
        }
        let own = root.join("bootstrap");
        match fs::metadata(&own) {
            Ok(found) if found.permissions().mode() & 0o111 != 0 => Ok(vec![own.to_string_lossy().into_owned()]),
            Ok(_) => Err("fork/exec /var/task/bootstrap: permission denied".to_owned()),
            Err(_) => Err("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned()),
        }
    }
}

/// The interpreter behind `python3`, which may be a script that looks for it each time.
async fn python(processes: &Processes) -> Result<String, String> {
    let shim = on_path("python3").ok_or("this machine has no python3")?;
    let command = vec![shim.clone(), "-c".to_owned(), "import sys; print(sys.executable)".to_owned()];
    let env = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let mut job = processes.run(command, env.collect(), "/".to_owned());
    let mut found = None;
    loop {
        match job.next().await {
            Some(Said::Out(line)) if Path::new(&line).is_absolute() => found = Some(line),
            Some(Said::OutClosed) | None => return Ok(found.unwrap_or(shim)),
            Some(Said::Refused(why)) => return Err(why),
            Some(Said::Out(_) | Said::Err(_) | Said::ErrClosed | Said::Exited(_) | Said::Done(_)) => {}
        }
    }
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned())
}

fn on_path(name: &str) -> Option<String> {
    let found = path().split(':').map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())?;
    Some(found.to_string_lossy().into_owned())
}

/// The process's whole environment: what AWS sets, then what the configuration says.
fn environment(task: &Task, root: &Path, directory: &Path, api: &str) -> BTreeMap<String, String> {
    let config = task.config();
    let (root, directory) = (root.to_string_lossy().into_owned(), directory.to_string_lossy().into_owned());
    let stream = format!("[{}]{:032x}", task.version, task.content.stamp);
    let mut env: BTreeMap<String, String> = config.variables.clone();
    for (name, value) in [
        ("PATH", path()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("TMPDIR", directory),
        ("_HANDLER", config.handler.clone()),
        ("LAMBDA_TASK_ROOT", root.clone()),
        ("LAMBDA_RUNTIME_DIR", root),
        ("AWS_REGION", task.region.clone()),
        ("AWS_DEFAULT_REGION", task.region.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", task.function.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", task.version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", config.memory.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", task.function)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_RUNTIME_API", api.to_owned()),
        // Bundles are shared by environments; nothing may be written beside their files.
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ] {
        let is_given = ["PATH", "LANG", "TZ"].contains(&name) && env.contains_key(name);
        if !is_given {
            env.insert(name.to_owned(), value);
        }
    }
    if !config.runtime.starts_with("provided") {
        env.insert("AWS_EXECUTION_ENV".to_owned(), format!("AWS_Lambda_{}", config.runtime));
    }
    env
}
