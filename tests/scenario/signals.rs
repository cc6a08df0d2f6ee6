//! A driver that is told to go lets go within five seconds, also while nothing is answered, and says how to go on.

use std::sync::Arc;

use super::cuts::{Blade, Cut};
use super::stage::{PIPELINE, Stage};

#[tokio::test(start_paused = true)]
async fn a_driver_lets_go_in_time_while_nothing_is_answered() {
    for at in [5, 6, 7, 10, 13, 16] {
        let stage = Stage::new(PIPELINE).await;
        stage.release("two", "");
        let blade = Blade::deaf_from(Cut { at, is_before: true });
        let (mut around, caught, stop) = stage.around(Arc::clone(&blade) as _);
        let words = ["shipit", "deploy", "shop.yml", "--release", "two"].map(str::to_owned);
        let running = Box::pin(shipit::cli::run(&words, &mut around));
        let told = async {
            blade.stopped().await;
            stop.send(true).unwrap();
            stage.clock.now()
        };
        let (code, told) = tokio::join!(running, told);
        let seconds = stage.clock.now().duration_since(told).as_secs_f64();
        let said = caught.said(code);
        assert_eq!(said.code, 13, "{at}\n{}\n{}", said.err, said.out);
        assert!(seconds < 5.0, "{at}: {seconds} s");
        assert!(said.out.contains("shipit resume shop.yml -e production"), "{at}\n{}", said.out);
        let said = stage.shipit("resume shop.yml").await;
        assert_eq!(said.code, 0, "{at}\n{}\n{}", said.err, said.out);
        let picture = stage.picture().await;
        assert_eq!(picture, "live two on 4, 2 deployments: Succeeded by user, Succeeded by user; 1 group", "{at}");
    }
}
