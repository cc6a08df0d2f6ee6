//! Whole runs in virtual time, against the sandbox in this process: shipit's own command line, the real SDK, signatures on.

#[path = "scenario/cuts.rs"]
mod cuts;
#[path = "scenario/stage.rs"]
mod stage;

use cuts::{Blade, Cut};
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

/// Wherever a driver is stopped for good, another one ends the run as if nothing had been: with one deployment in all.
#[tokio::test(start_paused = true)]
async fn a_driver_may_die_anywhere() {
    let whole = Blade::new(None);
    let stage = Stage::new(PIPELINE).await;
    stage.release("two", "");
    let said = stage.shipit_cut("deploy shop.yml --release two", &whole).await.unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    let names = whole.names();
    println!("{names:?}");
    for at in 0..names.len() {
        for is_before in [true, false] {
            let t = std::time::Instant::now();
            let cut = Cut { at, is_before };
            let stage = Stage::new(PIPELINE).await;
            stage.release("two", "");
            let blade = Blade::new(Some(cut));
            let said = stage.shipit_cut("deploy shop.yml --release two", &blade).await;
            assert!(said.is_none(), "{cut:?} was not reached");
            let said = stage.shipit("resume shop.yml").await;
            println!("{cut:?} {} {} {:?}", names[at], said.code, t.elapsed());
            if said.code != 0 {
                println!("{}{}", said.err, said.out);
            }
        }
    }
}
