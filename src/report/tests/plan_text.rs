//! The plan's text.

use super::samples::plan;
use super::{NARROW, invocation};
use crate::plan::rolling::{Batches, OnRolling};
use crate::plan::{Intent, WayBack};
use crate::report::{Style, plan_markdown, plan_text};

#[test]
fn a_deploy_with_an_approval() {
    let notes = ["alarm storefront-5xx has no data yet, which is normal before the first error".to_owned()];
    insta::assert_snapshot!(plan_text(&plan(true), &notes, Some(&invocation()), Style::PLAIN), @r"
    plan: release r2 of storefront goes to production
      account   111122223333, ap-northeast-2, role
                arn:aws:iam::111122223333:role/shipit
      artifact  web, sha256 bbbbbbbbbbbb…, 13 KiB

    web: fleet storefront / storefront-web
      before    r1 on 4 instances of Auto Scaling group storefront-web-v1 (blue)
      after     r2 on a copy of that group, CodeDeploy_storefront-web_d-… (green)
      deleted   Auto Scaling group storefront-web-v1 and its instances; what owns
                the group (Terraform, CloudFormation) must let it go

      step       at    does                          usually   at most
      create     +0s   4 instances get the release   6m        30m
      compare    +6m   green is compared with blue             5m
      approval   +6m   a person promotes within 8h   a person  8h
        ─ from here on times count from the promotion
        ─ from here on users meet r2
      reroute    +0s   traffic moves to green        4m        25m
      bake       +4m   5m watched without a failure  5m        20m
      keep-blue  +9m   blue is kept for 30m          30m       1h
        ─ point of no quick return; the way back from here on: r1 is deployed again
          in about 12 min
      finish     +39m  blue is deleted               2m        40m

      times     reroute: median of the last 3 runs
                bake: your `bake`
      capacity  4 more instances for about 47m (3.1 instance-hours), and as long as
                a person takes to promote; at most 11h (44.0)
      watched   from the start of reroute to the end of bake; one failure rolls
                back:
                targets ≥ 90%: 4 of 4 healthy in 1 target group
                alarm storefront-5xx: not red
                http /healthz: http://storefront.example, every 10s, answered 2xx
                within 2s; 3 bad ones in a row fail
      failure   create to approval: green is dropped, users notice nothing
                reroute to keep-blue: traffic goes back to blue in about 4m
                finish: r1 is deployed again in about 12 min

    all in all
      time      usually 47m, and a person's time to promote; at most 11h
      failure   a failed step, a failed watch, an approval that nobody gives: rolled
                back without being asked, exit 20
                the way back fails, too: stuck, a person must act, exit 21
      at most   an act has three times its usual time and an hour, or what its
                AppSpec allows every host
      calls     at most 24 looks at AWS per minute, a half more on the way back
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
    let lane = &mut plan.waves[0].lanes[0];
    lane.watches.clear();
    lane.steps.retain(|step| step.id.0 != "compare");
    let text = plan_text(&plan, &[], None, NARROW);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text, @r"
    plan: release r2 of storefront goes to
      production

    web: fleet storefront / storefront-web
      before: r1 on 4 instances of Auto
        Scaling group storefront-web-v1
        (blue)
      after: r2 on a copy of that group,
        CodeDeploy_storefront-web_d-...
        (green)
      deleted: Auto Scaling group
        storefront-web-v1 and its instances;
        what owns the group (Terraform,
        CloudFormation) must let it go

      create
        at: +0s; does: 4 instances get the
          release; usually: 6m; at most: 30m
        - from here on users meet r2
      reroute
        at: +6m; does: traffic moves to
          green; usually: 4m; at most: 25m
      bake
        at: +10m; does: blue is kept for 5m;
          usually: 5m; at most: 20m
        - point of no quick return; the way
          back from here on: r1 is deployed
          again in about 12 min
      finish
        at: +15m; does: blue is deleted;
          usually: 2m; at most: 40m

      times: reroute: median of the last 3
        runs
        bake: your `bake`
      capacity: 4 more instances for about
        17m (1.1 instance-hours); at most
        1h55m (7.6)
      failure: create: green is dropped,
        users notice nothing
        reroute to bake: traffic goes back
        to blue in about 4m
        finish: r1 is deployed again in
        about 12 min

    all in all
      time: usually 17m; at most 1h55m
      failure: a failed step, a failed
        watch: rolled back without being
        asked, exit 20
        the way back fails, too: stuck, a
        person must act, exit 21
      at most: an act has three times its
        usual time and an hour, or what its
        AppSpec allows every host
      calls: at most 24 looks at AWS per
        minute, a half more on the way back
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
    assert!(text.contains("before    nothing deployed before on 4 instances"), "{text}");
    assert!(text.contains("finish: none: nothing was deployed before"), "{text}");

    let fleet = first.waves[0].lanes[0].fleet_mut();
    fleet.rolling = Some(OnRolling {
        config: "CodeDeployDefault.HalfAtATime".to_owned(),
        make: None,
        suspend: Vec::new(),
        ignore_stop_failures: false,
        batches: Batches { hosts: 4, least: 2, at_once: 2, zones: Vec::new() },
    });
    let text = plan_text(&first, &[], None, Style::PLAIN);
    assert!(text.contains("web has nothing to go back to: stuck, exit 21"), "{text}");

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
        (WayBack::Drop, "green is dropped, users notice nothing"),
        (WayBack::Route, "traffic goes back to blue in about 4m"),
        (WayBack::Redeploy, "r1 is deployed again in about 12 min"),
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
    assert!(text.contains("\n  step           at "), "{text}");
}

#[test]
fn as_markdown() {
    let notes = ["a group was left over; if nobody needs it: aws autoscaling delete `x`".to_owned()];
    insta::assert_snapshot!(plan_markdown(&plan(true), &notes, Some(&invocation())), @r"
    ### plan: release r2 of storefront goes to production

    - **account**: 111122223333, ap-northeast-2, role arn:aws:iam::111122223333:role/shipit
    - **artifact**: web, sha256 bbbbbbbbbbbb…, 13 KiB

    #### web: fleet storefront / storefront-web

    - **before**: r1 on 4 instances of Auto Scaling group storefront-web-v1 (blue)
    - **after**: r2 on a copy of that group, CodeDeploy\_storefront-web\_d-… (green)
    - **deleted**: Auto Scaling group storefront-web-v1 and its instances; what owns the group (Terraform, CloudFormation) must let it go

    | step | at | does | usually | at most |
    | --- | --- | --- | --- | --- |
    | create | +0s | 4 instances get the release | 6m | 30m |
    | compare | +6m | green is compared with blue |  | 5m |
    | approval | +6m | a person promotes within 8h | a person | 8h |
    |  |  | _from here on times count from the promotion_ |  |  |
    |  |  | _from here on users meet r2_ |  |  |
    | reroute | +0s | traffic moves to green | 4m | 25m |
    | bake | +4m | 5m watched without a failure | 5m | 20m |
    | keep-blue | +9m | blue is kept for 30m | 30m | 1h |
    |  |  | _point of no quick return; the way back from here on: r1 is deployed again in about 12 min_ |  |  |
    | finish | +39m | blue is deleted | 2m | 40m |

    - **times**: reroute: median of the last 3 runs
      - bake: your \`bake\`
    - **capacity**: 4 more instances for about 47m (3.1 instance-hours), and as long as a person takes to promote; at most 11h (44.0)
    - **watched**: from the start of reroute to the end of bake; one failure rolls back:
      - targets ≥ 90%: 4 of 4 healthy in 1 target group
      - alarm storefront-5xx: not red
      - http /healthz: http:<!-- -->//storefront.example, every 10s, answered 2xx within 2s; 3 bad ones in a row fail
    - **failure**: create to approval: green is dropped, users notice nothing
      - reroute to keep-blue: traffic goes back to blue in about 4m
      - finish: r1 is deployed again in about 12 min

    #### all in all

    - **time**: usually 47m, and a person's time to promote; at most 11h
    - **failure**: a failed step, a failed watch, an approval that nobody gives: rolled back without being asked, exit 20
      - the way back fails, too: stuck, a person must act, exit 21
    - **at most**: an act has three times its usual time and an hour, or what its AppSpec allows every host
    - **calls**: at most 24 looks at AWS per minute, a half more on the way back
    - **note**: a group was left over; if nobody needs it: aws autoscaling delete \`x\`

    **next**

    ```sh
    shipit deploy storefront -e production   # runs this plan
    ```
    ");
}

#[test]
fn a_hostile_label_is_only_text_in_markdown() {
    let mut plan = plan(false);
    plan.release.label = "<script>@acme/all [x](javascript:y) #1 | a\n### b\u{202e}".to_owned();
    let text = plan_markdown(&plan, &["::error::boo\n- [ ] task".to_owned()], None);
    assert!(
        !text.contains("<script>") && !text.contains("@acme") && !text.contains("#1 ") && !text.contains('\u{202e}')
    );
    assert!(text.lines().all(|line| !line.starts_with("### b") && !line.trim_start().starts_with("::")), "{text}");
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(text.lines().filter(|line| line.starts_with('|')).all(|line| columns(line) == 6), "{text}");
}

#[test]
fn a_plan_of_thousands_of_targets_fits_into_a_comment() {
    let mut plan = plan(false);
    let lane = plan.waves[0].lanes[0].clone();
    for place in 0..2000 {
        let mut lane = lane.clone();
        lane.target = super::samples::name(&format!("t{place}"));
        plan.waves[0].lanes.push(lane);
    }
    let text = plan_markdown(&plan, &[], None);
    assert!(
        text.len() < 65_536 && text.contains("more targets; `shipit plan` tells of all".replace('`', "\\`").as_str())
    );
}

#[test]
fn stages_follow_one_another() {
    let mut plan = plan(true);
    let mut second = plan.waves[0].clone();
    second.name = "rest".to_owned();
    second.lanes[0].target = super::samples::name("api");
    second.lanes[0].steps.retain(|step| step.id.0 != "approval");
    plan.waves[0].lanes[0].steps.retain(|step| step.id.0 != "approval");
    plan.waves.push(second);
    let text = plan_text(&plan, &[], None, Style::PLAIN);
    assert!(text.contains("\nstage rest\n") && text.contains(" +47m "), "{text}");
    assert!(text.contains("capacity  4 more instances at a time at most"), "{text}");
    assert!(text.contains("time      usually 1h34m; at most"), "{text}");
}
