//! Whole runs in virtual time, against the sandbox in this process: shipit's own command line, the real SDK, signatures on.

#[path = "scenario/stage.rs"]
mod stage;

use stage::{PIPELINE, Stage};

#[tokio::test(start_paused = true)]
async fn a_release_goes_live() {
    let stage = Stage::new(PIPELINE).await;
    stage.traffic(20);
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 0, "{}\n{}", said.err, said.out);
    println!("{}\n{}", said.err, said.out);
}
