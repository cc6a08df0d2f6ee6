//! Programs: how they end, what is kept of what they write, and that nothing of them is left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shipit::model::command::{Ended, Exit};
use shipit::probe::command::{Order, find, run};

fn order(script: &str) -> Order {
    Order {
        run: ["sh", "-c", script].map(str::to_owned).to_vec(),
        directory: std::env::temp_dir(),
        facts: BTreeMap::from([("SHIPIT_RUN", "r-1".to_owned())]),
        within: Duration::from_secs(20),
    }
}

async fn ended(order: Order) -> Ended {
    run(order, std::future::pending()).await
}

#[tokio::test]
async fn programs_end_in_many_ways() {
    for (script, expected) in [
        ("exit 0", "exit 0"),
        ("echo three of forty failed >&2; exit 1", "exit 1: three of forty failed"),
        ("echo $SHIPIT_RUN in $PWD | sed s,$PWD,there,; exit 2", "exit 2: r-1 in there"),
        ("exit 77", "exit 77"),
        ("kill -9 $$", "killed by signal 9"),
        ("printf 'a\\033[2Jb\\n'; exit 1", "exit 1: ab"),
        ("cat; exit 3", "exit 3"),
    ] {
        assert_eq!(ended(order(script)).await.told(), expected, "{script}");
    }
    let missing = Order { run: vec!["./is-not-there".to_owned()], ..order("") };
    assert_eq!(ended(missing).await.exit, Exit::Missing("./is-not-there is not on this machine".to_owned()));
}

/// Only the end is kept, however much there is.
#[tokio::test]
async fn what_is_written_is_bounded() {
    let said = ended(order("yes 0123456789012345678901234567890123456789 | head -c 3000000; echo; echo the end")).await;
    assert_eq!(said.exit, Exit::Code(0));
    assert!(said.tail.len() <= 21, "{}", said.tail.len());
    assert_eq!(said.tail.last().map(String::as_str), Some("the end"));
}

/// Whether a process that writes its id into the file is gone.
fn is_gone(file: &Path) -> bool {
    let pid: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("shipit-commands-{}-{name}", std::process::id()))
}

/// Too slow, told to end, or not waited for any more: the program goes, and all that it has started.
#[tokio::test]
async fn nothing_is_left_of_a_program() {
    let file = scratch("slow");
    let child = format!("trap '' TERM; sleep 600 & echo $! > {}; wait; sleep 600", file.display());
    let slow = ended(Order { within: Duration::from_millis(300), ..order(&child) }).await;
    assert_eq!(slow.exit, Exit::TimedOut);
    assert!(is_gone(&file));
    let file = scratch("told");
    let child = format!("sleep 600 & echo $! > {}; echo half; wait", file.display());
    let told = run(order(&child), tokio::time::sleep(Duration::from_millis(300))).await;
    assert_eq!((told.exit, told.tail), (Exit::Interrupted, vec!["half".to_owned()]));
    assert!(is_gone(&file));
    let file = scratch("dropped");
    let child = format!("sleep 600 & echo $! > {}; wait", file.display());
    assert!(tokio::time::timeout(Duration::from_millis(300), ended(order(&child))).await.is_err());
    assert!(is_gone(&file));
    let file = scratch("ended");
    let child = format!("sleep 600 & echo $! > {}; exit 0", file.display());
    let began = Instant::now();
    assert_eq!(ended(order(&child)).await.exit, Exit::Code(0));
    assert!(began.elapsed() < Duration::from_secs(5), "the pipe of what it left behind was waited for");
    assert!(is_gone(&file));
    for name in ["slow", "told", "dropped", "ended"] {
        let _ = std::fs::remove_file(scratch(name));
    }
}

#[test]
fn programs_are_found_before_they_are_needed() {
    let directory = scratch("find");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("plain.sh"), "exit 0").unwrap();
    for (program, expected) in [
        ("./plain.sh", Err("./plain.sh is not executable")),
        ("./other.sh", Err("./other.sh is not there")),
        ("./", Err("./ is no file")),
        ("nobody-has-this", Err("nobody-has-this is not in PATH")),
        ("/bin/sh", Ok(())),
        ("sh", Ok(())),
    ] {
        let found = find(program, &directory, Some("/nowhere:/bin:/usr/bin"));
        assert_eq!(found.map(|_| ()), expected.map_err(str::to_owned), "{program}");
    }
    let _ = std::fs::remove_dir_all(&directory);
}
