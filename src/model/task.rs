//! What is done around the traffic: a migration before users meet a release, a smoke test after.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::HttpCondition;
use super::function::Invoke;
use super::header::{HeaderName, HeaderSource};
use super::status::Statuses;
use super::units::Period;

/// One thing that is done before users meet the new release, or after the bake. If it fails, so does the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A function is called, and its answer compared: the new version of a function target, or one that is named.
    Invoke(Invoke),
    /// A program is run here, with the run's facts in its environment.
    Command(CommandTask),
    /// A page is asked for until it is answered well.
    Http(HttpTask),
}

/// A program that must end with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandTask {
    /// The program and its arguments, without a shell; a path is relative to where shipit is started. Anything but 0 is a
    /// failure.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 4096)), extend("examples" = [["./migrate.sh"]]))]
    pub run: Vec<String>,
    /// How long it may take (wire time); at most 12h. What takes longer is stopped and has failed.
    #[serde(default = "CommandTask::default_within")]
    pub within: Period,
    /// Whether it may be run again when nobody knows how it ended, because its driver died meanwhile. Otherwise the run is
    /// held, and a person decides.
    #[serde(default)]
    pub repeatable: bool,
}

impl CommandTask {
    fn default_within() -> Period {
        Period::minutes(10)
    }
}

/// A page that must answer well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpTask {
    /// The path and query, asked of the live listener of a fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/[!$-~]*$"), length(max = 2000), extend("examples" = ["/healthz"]))]
    pub path: Option<String>,
    /// The whole address, instead of a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^https?://[a-zA-Z0-9.:\[\]-]+(/[!$-~]*)?$"),
        length(max = 2000),
        extend("x-instead-of" = "path", "examples" = ["https://shop.example.com/healthz"])
    )]
    pub url: Option<String>,
    /// The good statuses: a code such as 200, a class such as 2xx, or a list of them. Redirects are not followed.
    #[serde(default)]
    pub status: Statuses,
    /// Text that must stand in the first 256 KiB of the answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), extend("examples" = ["ok"]))]
    pub body: Option<String>,
    /// Headers of the request, as those of the condition `http`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20, "examples" = [{ "X-Probe": "shipit" }]))]
    pub headers: BTreeMap<HeaderName, HeaderSource>,
    /// How long an answer may take (wire time); at most 40s.
    #[serde(default = "HttpTask::default_within")]
    pub within: Period,
    /// How long after a bad answer it is asked again.
    #[serde(default = "HttpTask::default_every")]
    pub every: Period,
    /// How many bad answers in a row are a failure.
    #[serde(default = "HttpTask::default_failures")]
    #[schemars(range(min = 1, max = 100))]
    pub failures: u32,
}

impl HttpTask {
    fn default_within() -> Period {
        Period::seconds(5)
    }
    fn default_every() -> Period {
        Period::seconds(10)
    }
    fn default_failures() -> u32 {
        3
    }

    /// The request, once its path is known.
    pub fn request(&self, path: String) -> HttpCondition {
        HttpCondition {
            path,
            within: self.within,
            every: self.every,
            failures: self.failures,
            total_failures: None,
            status: self.status.clone(),
            body: self.body.clone(),
            headers: self.headers.clone(),
            report_only: false,
        }
    }

    /// Where it is asked, and what: `https://shop.example.com` and `/healthz`; without an address of its own only what.
    pub fn address(&self) -> (Option<String>, String) {
        let Some(url) = &self.url else { return (None, self.path.clone().unwrap_or_else(|| "/".to_owned())) };
        let host = url.find("://").map_or(0, |scheme| scheme + 3);
        let end = url[host..].find('/').map_or(url.len(), |slash| host + slash);
        let path = if end == url.len() { "/".to_owned() } else { url[end..].to_owned() };
        (Some(url[..end].to_owned()), path)
    }
}

/// The most that the tasks of a list take, once each.
pub fn longest(tasks: &[Task]) -> Period {
    let of = |task: &Task| match task {
        Task::Command(command) => command.within,
        Task::Invoke(invoke) => invoke.expect.within * u64::from(invoke.times),
        Task::Http(http) => (http.within + http.every) * u64::from(http.failures),
    };
    tasks.iter().map(of).fold(Period::default(), |sum, it| sum + it)
}
