//! How long a person or an editor waits: `shipit validate` of a pipeline with 1,000 targets, and `--help`.
//!
//! `cargo bench --bench validate` times the released binary as a process, from start to end. A target is ten lines; there
//! are two environments with variables and overrides, and ten stages. Aims: under 100 ms, and under 10 ms for `--help`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a bench prints what it measured")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TARGETS: usize = 1000;
const ROUNDS: usize = 31;

fn main() {
    let folder = std::env::temp_dir().join(format!("shipit-bench-{}", std::process::id()));
    fs::create_dir_all(folder.join("app")).unwrap();
    fs::write(folder.join("app/appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
    let text = pipeline();
    fs::write(folder.join("large.yml"), &text).unwrap();
    println!("{TARGETS} targets, {} lines, {} KiB", text.lines().count(), text.len() / 1024);
    report("validate large.yml", 100, &measure(&folder, &["validate", "large.yml"]));
    report("--help", 10, &measure(&folder, &["--help"]));
    fs::remove_dir_all(&folder).unwrap();
}

/// Sorted times of one command.
fn measure(folder: &Path, words: &[&str]) -> Vec<Duration> {
    let once = |_| {
        let begun = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipit"));
        let status = command.args(words).current_dir(folder).stdout(Stdio::null()).status().unwrap();
        let took = begun.elapsed();
        assert!(status.success(), "{words:?}: {status}");
        took
    };
    let mut times: Vec<Duration> = (0..ROUNDS).map(once).collect();
    times.sort();
    times
}

fn report(what: &str, aim: u128, times: &[Duration]) {
    let [best, median, worst] = [times[0], times[ROUNDS / 2], times[ROUNDS - 1]].map(|time| time.as_secs_f64() * 1e3);
    println!("{what}: best {best:.1} ms, median {median:.1} ms, worst {worst:.1} ms; aim {aim} ms");
}

fn pipeline() -> String {
    let mut text = String::from(
        "version: 1\npipeline: large\nstore: { bucket: acme-shipit }\nartifacts:\n  app: { path: app }\nenvironments:\n",
    );
    for environment in ["staging", "production"] {
        let bake = "{ targets: { t7: { health: { bake: 1m } } } }";
        let keys = format!("vars: {{ team: {environment} }}\n    overrides: {bake}");
        writeln!(text, "  {environment}:\n    account: \"111122223333\"\n    region: us-east-1\n    {keys}").unwrap();
    }
    text.push_str("stages:\n");
    for stage in 0..10 {
        let names: Vec<String> = (0..TARGETS).filter(|n| n % 10 == stage).map(|n| format!("t{n}")).collect();
        writeln!(text, "  - {{ name: s{stage}, targets: [{}] }}", names.join(", ")).unwrap();
    }
    text.push_str("targets:\n");
    for n in 0..TARGETS {
        let lines = [
            format!("  t{n}:"),
            format!("    fleet: {{ application: \"${{vars.team}}-shop\", deployment_group: web-{n} }}"),
            "    group_is_replaced: true".to_owned(),
            "    artifact: app".to_owned(),
            "    strategy:".to_owned(),
            "      blue_green: { promote: manual, keep_blue: 1h }".to_owned(),
            "    health:".to_owned(),
            format!("      alarms: [\"${{vars.team}}-{n}-5xx\"]"),
            "      http: [{ path: /healthz, within: 2s, every: 10s, failures: 3 }]".to_owned(),
            "      bake: 5m".to_owned(),
        ];
        writeln!(text, "{}", lines.join("\n")).unwrap();
    }
    text
}
