//! The plan's text.

use super::samples::plan;
use super::{NARROW, invocation};
use crate::plan::{Intent, WayBack};
use crate::report::{Style, plan_text};

#[test]
fn a_deploy_with_an_approval() {
    let notes = ["alarm storefront-5xx has no data yet, which is normal before the first error".to_owned()];
    insta::assert_snapshot!(plan_text(&plan(true), &notes, Some(&invocation()), Style::PLAIN), @r"
    plan: release r2 of storefront goes to production
      account   111122223333, ap-northeast-2, role
                arn:aws:iam::111122223333:role/shipit
      artifact  web, sha256 bbbbbbbbbbbb…, 13 KiB

    web: fleet storefront / storefront-web
      blue      r1, live on 4 instances of Auto Scaling group storefront-web-v1
      green     r2, on a copy of that group that will be named
                CodeDeploy_storefront-web_d-…
      replaced  Auto Scaling group storefront-web-v1 is deleted in the end and its
                copy stays; what owns it (Terraform, CloudFormation) must let it go

      step       does                          live          usually   at most
      create     4 instances get the release   blue          6m        30m
      compare    green is compared with blue   blue                    5m
      approval   a person promotes within 8h   blue          a person  8h
        ─ way back up to here: none needed, green is dropped and users notice
          nothing
      reroute    traffic moves to green        blue → green  4m        25m
      bake       5m watched without a failure  green         5m        20m
      keep-blue  blue is kept for 30m          green         30m       1h
        ─ way back up to here: route back to blue in about 4m
      finish     blue is deleted               green         2m        40m
        ─ way back up to here: redeploy r1 in about 12 min

      watched   from the start of reroute to the end of bake; one failure: route
                back to blue in about 4m
                targets ≥ 90%: 4 of 4 healthy in 1 target group
                alarm storefront-5xx: not red
                http /healthz: http://storefront.example, every 10s, answered within
                2s; 3 bad ones in a row fail

      time      usually 47m, and a person's time to promote; at most 11h
      failure   a failed step, a failed watch, an approval that nobody gives: rolled
                back, exit 20; way back fails, too: stuck, exit 21
      calls     at most 24 to AWS per minute while it watches
      note      alarm storefront-5xx has no data yet, which is normal before the
                first error
      next      shipit deploy storefront -e production   # runs this plan
    ");
}

#[test]
fn a_narrow_screen_without_colour_and_unicode() {
    let mut plan = plan(false);
    plan.sites.clear();
    plan.release.bundles.clear();
    let text = plan_text(&plan, &[], Some(&invocation()), NARROW);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text, @r"
    plan: release r2 of storefront goes to
      production

    web: fleet storefront / storefront-web
      blue: r1, live on 4 instances of Auto
        Scaling group storefront-web-v1
      green: r2, on a copy of that group
        that will be named
        CodeDeploy_storefront-web_d-...
      replaced: Auto Scaling group
        storefront-web-v1 is deleted in the
        end and its copy stays; what owns it
        (Terraform, CloudFormation) must let
        it go

      create
        does: 4 instances get the release;
          live: blue; usually: 6m; at most:
          30m
      compare
        does: green is compared with blue;
          live: blue; at most: 5m
        - way back up to here: none needed,
          green is dropped and users notice
          nothing
      reroute
        does: traffic moves to green; live:
          blue -> green; usually: 4m; at
          most: 25m
      bake
        does: 5m watched without a failure;
          live: green; usually: 5m; at most:
          20m
        - way back up to here: route back to
          blue in about 4m
      finish
        does: blue is deleted; live: green;
          usually: 2m; at most: 40m
        - way back up to here: redeploy r1
          in about 12 min

      watched: from the start of reroute to
        the end of bake; one failure: route
        back to blue in about 4m
        targets >= 90%: 4 of 4 healthy in 1
        target group
        alarm storefront-5xx: not red
        http /healthz:
        http://storefront.example, every
        10s, answered within 2s; 3 bad ones
        in a row fail

      time: usually 17m; at most 2h
      failure: a failed step, a failed
        watch: rolled back, exit 20; way
        back fails, too: stuck, exit 21
      calls: at most 24 to AWS per minute
        while it watches
      next:
        shipit deploy storefront -e production
          # runs this plan
    ");
}

#[test]
fn nothing_to_do() {
    let mut plan = plan(false);
    plan.waves[0].lanes[0].steps.clear();
    plan.waves[0].lanes[0].watches.clear();
    insta::assert_snapshot!(plan_text(&plan, &[], Some(&invocation()), Style::PLAIN), @r"
    nothing to do: release r2 of storefront is live in production
      account   111122223333, ap-northeast-2, role
                arn:aws:iam::111122223333:role/shipit
      artifact  web, sha256 bbbbbbbbbbbb…, 13 KiB

    web: fleet storefront / storefront-web
      live      r1 on 4 instances of Auto Scaling group storefront-web-v1; nothing
                to do
    ");
}

#[test]
fn the_first_deployment_and_a_rollback() {
    let mut first = plan(false);
    first.waves[0].lanes[0].fleet_mut().baseline.live = None;
    let text = plan_text(&first, &[], None, Style::PLAIN);
    assert!(text.contains("blue      nothing deployed before, live on 4 instances"), "{text}");
    assert!(text.contains("way back up to here: none: nothing was deployed before"), "{text}");

    let mut back = plan(false);
    back.intent = Intent::Rollback;
    let text = plan_text(&back, &[], Some(&invocation()), Style::PLAIN);
    assert!(text.starts_with("plan: storefront in production goes back to release r2\n"), "{text}");
    assert!(text.contains("shipit rollback --to r2 storefront -e production"), "{text}");
}

#[test]
fn no_line_is_too_wide_unless_it_is_to_be_copied() {
    for width in 20..=100 {
        for line in plan_text(&plan(true), &[], Some(&invocation()), Style { width, ..Style::PLAIN }).lines() {
            let is_copied = line.contains("shipit ") || line.trim_start().split(' ').count() == 1;
            assert!(is_copied || line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn a_command_in_a_note_stands_alone() {
    let note = "web: a group was left over; if nobody needs it: aws autoscaling delete-auto-scaling-group --region \
        ap-northeast-2 --auto-scaling-group-name CodeDeploy_storefront-web_d-OLD";
    let text = plan_text(&plan(false), &[note.to_owned()], None, Style::PLAIN);
    let expected = "  note      web: a group was left over; if nobody needs it:\n            aws autoscaling \
        delete-auto-scaling-group --region ap-northeast-2 --auto-scaling-group-name CodeDeploy_storefront-web_d-OLD\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn every_way_back_is_said() {
    let lane = &plan(true).waves[0].lanes[0];
    for (way, said) in [
        (WayBack::Drop, "none needed, green is dropped and users notice nothing"),
        (WayBack::Route, "route back to blue in about 4m"),
        (WayBack::Redeploy, "redeploy r1 in about 12 min"),
        (WayBack::None, "none: nothing was deployed before"),
    ] {
        assert_eq!(crate::report::words::way_back(lane, way), said);
    }
}

#[test]
fn the_longest_plan_is_a_table_on_80_columns() {
    use crate::model::Period;
    use crate::model::pipeline::{BlueGreen, Promote, Strategy};
    use crate::plan::{build, sample};
    let (mut pipeline, mut fleet) = (sample::pipeline(), sample::fleet());
    let target = pipeline.targets.values_mut().next().unwrap();
    let (within, keep_blue) = (Period::hours(8), Period::minutes(90));
    let strategy = BlueGreen { promote: Promote::Manual, within, keep_blue, allow_partial: false };
    target.strategy = Strategy::BlueGreen(strategy);
    fleet.group.ready = Some(("STOP_DEPLOYMENT".to_owned(), 600));
    fleet.group.termination = Some(("TERMINATE".to_owned(), 600));
    let environment = sample::name("production");
    let built = build::build(&sample::input(&pipeline, &environment, fleet)).unwrap();
    let text = plan_text(&built.plan, &built.notes, None, Style::PLAIN);
    assert!(text.contains("\n  step           does "), "{text}");
}
