//! `shipit sandbox serve`: the embedded AWS on a port.

use std::io::Write;

use super::Ended;
use super::args::ServeArgs;
use super::around::Around;
use crate::error::{Failure, Kind};
use crate::rehearsal::served::{Place, Served};
use ::sandbox::hosts::confine::Allowed;

/// The account of the one user; the examples' pipelines name it, too.
const ACCOUNT: &str = "111122223333";
/// The region that the user is told; every other one is there as well.
const REGION: &str = "ap-northeast-2";

pub async fn serve(args: &ServeArgs, around: &mut Around) -> Ended {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Kind::Unexpected, "shipit does not find itself").because(error))?;
    let directory = args.dir.as_ref().map(|path| around.directory.join(path));
    let allowed = if args.unconfined_hosts { Allowed::Anything } else { Allowed::Confined };
    let place = Place { program, directory, port: args.port, speed: args.speed, allowed, keeps_pace: false };
    let served = Served::start(place).await?;
    let user = served.sandbox.add_user(ACCOUNT, "you");
    let exports: String =
        served.environment(&user, REGION).iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
    let _ = around.out.write_all(exports.as_bytes());
    let _ = around.out.flush();
    let _ = writeln!(around.err, "{}", served.confinement());
    let _ = writeln!(around.err, "serving account {ACCOUNT} at http://{}; Ctrl-C ends it", served.address);
    around.lets_go(None);
    let _ = around.interrupt.changed().await;
    served.stop().await;
    Ok(0)
}
