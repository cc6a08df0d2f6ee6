//! What a large run costs this machine: a release of 200 lanes, fleets and functions, in virtual time.
//!
//! `cargo bench --bench lanes` prints the time that the driver and the embedded AWS took together, and the most memory they
//! had. Aim: under 200 MiB.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    missing_docs,
    reason = "a bench prints what it measured"
)]

#[path = "../tests/scenario/many.rs"]
mod many;
#[path = "../tests/scenario/stage.rs"]
mod stage;

const MEMORY_AIM: u64 = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let shipped = runtime.block_on(many::ship());
    println!("{}", shipped.told());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let peak = peak.unwrap() / 1024;
    println!("at most {peak} MiB; aim {MEMORY_AIM} MiB");
    assert!(peak <= MEMORY_AIM, "too much memory");
}
