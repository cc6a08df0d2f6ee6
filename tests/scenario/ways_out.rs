//! Worlds that move while a run begins, and runs that got stuck: there is one command that leads out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sandbox::doc::doc;
use sandbox::faults::{Action, Kind, Rule, Target, When};
use sandbox::world::ApiError;
use shipit::cli;
use shipit::rehearsal::inproc::Gate;
use tokio::sync::Notify;

use super::cuts::{Blade, Cut};
use super::functions::{self, pipeline as of_function};
use super::rolling;
use super::stage::{PIPELINE, Said, Stage};

/// Holds a command when it stores its plan, until it is let go.
struct Between {
    blade: Arc<Blade>,
    has_held: AtomicBool,
    is_holding: AtomicBool,
    reached: Notify,
    open: Notify,
}

/// Time-outs do not run while the command is held.
#[derive(Clone)]
struct Patience(Arc<Between>);

impl std::fmt::Debug for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Patience")
    }
}

impl AsyncSleep for Patience {
    fn sleep(&self, duration: Duration) -> Sleep {
        let gate = self.0.clone();
        Sleep::new(async move {
            loop {
                tokio::time::sleep(duration).await;
                if !gate.is_holding.load(Ordering::Relaxed) {
                    break;
                }
            }
        })
    }
}

impl Gate for Between {
    fn before<'a>(&'a self, request: &'a http::Request<Bytes>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let is_plan = request.method() == http::Method::PUT && request.uri().path().ends_with("plan.json");
            if is_plan && !self.has_held.swap(true, Ordering::Relaxed) {
                self.is_holding.store(true, Ordering::Relaxed);
                self.reached.notify_one();
                self.open.notified().await;
                self.is_holding.store(false, Ordering::Relaxed);
            }
            self.blade.before(request).await;
        })
    }
    fn after<'a>(&'a self) -> BoxFuture<'a, ()> {
        self.blade.after()
    }
}

/// A plans, B ships wholly, A goes on or is cut off; what A said, if it came to an end, and how often it changes something.
async fn overtaken(cut: Option<Cut>) -> (Stage, Option<Said>, usize) {
    let stage = Stage::new(&rolling::pipeline()).await;
    stage.release("a", "");
    let blade = Blade::new(cut);
    let (has_held, is_holding) = (AtomicBool::new(false), AtomicBool::new(false));
    let (reached, open) = (Notify::new(), Notify::new());
    let gate = Arc::new(Between { blade: blade.clone(), has_held, is_holding, reached, open });
    let (mut around, caught, _stop) = stage.around(gate.clone());
    let patience = SharedAsyncSleep::new(Patience(gate.clone()));
    around.config = around.config.into_builder().sleep_impl(patience).build();
    let words = ["shipit", "deploy", "shop.yml", "--release", "a"].map(str::to_owned);
    let a = async {
        tokio::select! {
            biased;
            () = blade.stopped() => None,
            code = Box::pin(cli::run(&words, &mut around)) => Some(caught.said(code)),
        }
    };
    let b = async {
        gate.reached.notified().await;
        stage.release("b", "");
        let said = stage.shipit("deploy shop.yml --release b").await;
        assert_eq!(said.code, 0, "{}", said.err);
        gate.open.notify_one();
    };
    let (said, ()) = tokio::join!(a, b);
    (stage, said, blade.names().len())
}

/// What a run would go back to is what was live when it was planned: somebody who shipped since is not undone.
#[tokio::test(start_paused = true)]
async fn a_plan_that_was_overtaken_changes_nothing() {
    let (stage, said, calls) = overtaken(None).await;
    let said = said.unwrap();
    assert_eq!(said.code, 12, "{}", said.err);
    for part in
        ["the plan is stale", "- web: ", " is live, the plan found bundle ", "shipit deploy --release a shop.yml"]
    {
        assert!(said.err.contains(part), "{part}\n{}", said.err);
    }
    assert!(stage.picture().await.starts_with("live b on 4, 2 deployments"));
    // Nothing is left that stands in anybody's way.
    let said = stage.shipit("deploy shop.yml --release b").await;
    assert!(said.code == 0 && said.out.contains("nothing to do"), "{}{}", said.err, said.out);
    for at in 1..calls {
        for is_before in [true, false] {
            let cut = Cut { at, is_before };
            let (stage, said, _) = overtaken(Some(cut)).await;
            assert!(said.is_none(), "{cut:?}");
            let said = stage.shipit("resume shop.yml").await;
            assert!(matches!(said.code, 0 | 12), "{cut:?}: {}", said.err);
            assert!(stage.picture().await.starts_with("live b on 4, 2 deployments"), "{cut:?}");
        }
    }
}

fn deny(stage: &Stage, operation: &str) {
    let error = ApiError::new("AccessDeniedException", format!("not authorized to perform: codedeploy:{operation}"));
    let target = Target {
        service: "codedeploy".to_owned(),
        operation: operation.to_owned(),
        resource: String::new(),
        nth: 0,
        when: When::Before,
        action: Action::Error(error),
    };
    stage.sandbox.add_fault(Rule { caller: Some(stage.key.clone()), kind: Kind::Target(target) });
}

/// Traffic cannot be moved and the deployment cannot be stopped: the run is stuck, and nobody has noticed.
async fn stuck() -> (Stage, Said) {
    let stage = Stage::new(PIPELINE).await;
    stage.release("one", "");
    assert_eq!(stage.shipit("deploy shop.yml --release one").await.code, 0);
    deny(&stage, "ContinueDeployment");
    deny(&stage, "StopDeployment");
    stage.release("two", "");
    let said = stage.shipit("deploy shop.yml --release two").await;
    assert_eq!(said.code, 21, "{}{}", said.err, said.out);
    stage.sandbox.clear_faults();
    (stage, said)
}

/// The command of a hint, as it is printed.
fn hint(said: &Said, verb: &str) -> String {
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let at = text.find(&format!("shipit {verb} ")).unwrap_or_else(|| panic!("{}", said.out));
    text[at..].split(" # ").next().unwrap().trim_start_matches("shipit ").to_owned()
}

/// What was live serves alone, and nothing of the release that got stuck is left.
async fn is_as_before(stage: &Stage, what: &str) {
    let picture = stage.picture().await;
    let is_alone = picture.starts_with("live one on 4") && picture.ends_with("1 group");
    assert!(is_alone && picture.contains("Stopped by user"), "{what}: {picture}");
}

#[tokio::test(start_paused = true)]
async fn one_command_leads_out_of_stuck() {
    let (stage, said) = stuck().await;
    let line = hint(&said, "resume");
    assert_eq!(line, "resume shop.yml -e production");
    let aborted = stage.shipit("abort shop.yml").await;
    assert!(aborted.code == 10 && aborted.err.contains(&format!("shipit {line}")), "{}", aborted.err);
    let plan = stage.shipit("plan shop.yml --rollback").await;
    assert!(plan.code == 0 && plan.out.contains("goes on towards one"), "{}{}", plan.err, plan.out);
    let blade = Blade::new(None);
    let out = stage.shipit_cut(&line, &blade).await.unwrap();
    assert_eq!(out.code, 20, "{}{}", out.err, out.out);
    is_as_before(&stage, "resumed").await;
    let again = stage.shipit(&line).await;
    assert!(again.code == 0 && again.err.contains("no run is unfinished"), "{}", again.err);
    for at in 0..blade.names().len() {
        for is_before in [true, false] {
            let cut = Cut { at, is_before };
            let (stage, _) = stuck().await;
            assert!(stage.shipit_cut(&line, &Blade::new(Some(cut))).await.is_none(), "{cut:?}");
            let out = stage.shipit(&line).await;
            assert!(matches!(out.code, 0 | 20), "{cut:?}: {}{}", out.err, out.out);
            is_as_before(&stage, &format!("{cut:?}")).await;
        }
    }
}

/// The leftover was stopped by hand, or `rollback` is typed: the healthy release is not taken away.
#[tokio::test(start_paused = true)]
async fn after_stuck_nothing_goes_further_back_than_what_was_live() {
    for (line, code, by_hand) in
        [("resume shop.yml", 20, true), ("rollback shop.yml", 0, true), ("rollback shop.yml --to one", 0, false)]
    {
        let (stage, _) = stuck().await;
        if by_hand {
            let listed = stage.call("codedeploy", "ListDeployments", &doc! {});
            let id = listed.texts("deployments")[0].clone();
            stage.call("codedeploy", "StopDeployment", &doc! { "deploymentId" => id });
            stage.advance(60).await;
        }
        let said = stage.shipit(line).await;
        assert_eq!(said.code, code, "{line}\n{}{}", said.err, said.out);
        is_as_before(&stage, line).await;
        // From there on it is a history like any other.
        let said = stage.shipit("rollback shop.yml").await;
        assert_eq!(said.code, 0, "{line}\n{}", said.err);
        assert!(stage.picture().await.starts_with("live baseline on 4"), "{line}");
    }
}

/// A person stops the roll in the console while a host is out of its target group: nothing else brings that host back.
#[tokio::test(start_paused = true)]
async fn a_host_that_nothing_brings_back_is_not_waited_for() {
    let stopped = |cut: Option<Cut>| async move {
        let stage = Stage::new(&rolling::rolling("{ config: CodeDeployDefault.OneAtATime }")).await;
        stage.release("two", "takes: 5m\n");
        let blade = Blade::new(cut);
        let began = stage.clock.now();
        let person = async {
            stage.advance(75).await;
            let id = stage.call("codedeploy", "ListDeployments", &doc! {}).texts("deployments")[0].clone();
            assert_eq!(stage.deployments().len(), 2, "{cut:?}");
            stage.call("codedeploy", "StopDeployment", &doc! { "deploymentId" => id, "autoRollbackEnabled" => false });
        };
        let (said, ()) = tokio::join!(stage.shipit_cut("deploy shop.yml --release two", &blade), person);
        let said = match said {
            Some(said) => said,
            None => stage.shipit("resume shop.yml").await,
        };
        assert!(matches!(said.code, 20 | 21), "{cut:?} {}{}", said.err, said.out);
        let minutes = stage.clock.now().duration_since(began).as_mins();
        let picture = stage.picture().await;
        (said, minutes, picture, blade.names())
    };
    let (said, minutes, picture, calls) = stopped(None).await;
    assert_eq!(said.code, 20, "{}{}", said.err, said.out);
    assert!(picture.starts_with("live baseline on 4"), "{picture}");
    assert!(minutes < 12, "{minutes} minutes: {}", said.err);
    let created = calls.iter().position(|call| call == "CreateDeployment").unwrap();
    for at in created..calls.len() {
        for is_before in [true, false].into_iter().filter(|is_before| at > created || !is_before) {
            let cut = Cut { at, is_before };
            let (said, _, picture, _) = stopped(Some(cut)).await;
            assert_eq!(said.code, 20, "{cut:?} {}{}", said.err, said.out);
            assert!(picture.starts_with("live baseline on 4"), "{cut:?} {picture}");
        }
    }
}

/// There was no alias before a function's first release: the way back takes it away again.
#[tokio::test(start_paused = true)]
async fn the_alias_of_a_first_release_goes_again() {
    let bare = |cut: Option<Cut>| async move {
        let stage = Stage::with_function(&of_function()).await;
        sandbox::lambda::set_model_traffic(&stage.sandbox.world, functions::ARN, 20, &Bytes::from_static(b"{}"));
        let blade = Blade::new(cut);
        let person = async {
            stage.advance(90).await;
            stage.shipit("abort shop.yml --record").await
        };
        let (said, _) = tokio::join!(stage.shipit_cut("deploy shop.yml --release one", &blade), person);
        let said = match said {
            Some(said) => said,
            None => stage.shipit("resume shop.yml").await,
        };
        let name = doc! { "FunctionName" => "thumbnailer" };
        let aliases = stage.call("lambda", "ListAliases", &name).list("Aliases").len();
        (said, aliases, blade.names().len())
    };
    let (said, aliases, calls) = bare(None).await;
    assert_eq!((said.code, aliases), (20, 0), "{}{}", said.err, said.out);
    for at in 3..calls {
        for is_before in [true, false] {
            let cut = Cut { at, is_before };
            let (said, aliases, _) = bare(Some(cut)).await;
            assert_eq!((said.code, aliases), (20, 0), "{cut:?} {}{}", said.err, said.out);
        }
    }
}
