//! `status` and `history`.

use super::samples::{Story, at, name, plan, run};
use super::{NARROW, invocation};
use crate::model::Percent;
use crate::report::Style;
use crate::report::history::{HistoryRow, history_text, summary};
use crate::report::status::{AliasStatus, Driver, RunView, StatusView, TargetStatus, status_text};

fn view(run: Option<RunView>) -> StatusView {
    let target = TargetStatus {
        target: name("web"),
        live: Some("r1".to_owned()),
        deployment: Some("d-AAAAAAAAA".to_owned()),
        since: Some(at(-90_000)),
        group: Some("storefront-web-v1".to_owned()),
        healthy: Some((4, 4)),
        active: None,
        alias: None,
    };
    StatusView {
        v: crate::model::Format::NOW,
        at: at(600),
        pipeline: name("storefront"),
        environment: name("production"),
        targets: vec![target],
        run,
        notes: Vec::new(),
    }
}

fn under_way(story: &Story, driver: Option<Driver>) -> RunView {
    let plan = plan(story.has_approval());
    RunView::of(&plan, &story.state(&plan), driver, &invocation())
}

#[test]
fn nothing_under_way() {
    insta::assert_snapshot!(status_text(&view(None), Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy
      run       none is under way
    ");
}

#[test]
fn a_person_is_waited_for() {
    insta::assert_snapshot!(status_text(&view(Some(under_way(&Story::paused(), None))), Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy
      run       20261121-093406-kfzw paused: release r2, asked for by
                arn:aws:iam::111122223333:user/kim 10m ago
      step      web: approval for 5m49s since 09:38:17Z (at most 8h), d-BBBBBBBBB: a
                person promotes within 8h
      traffic   web: r1 serves all of it; r2 never got any
      waits     for a person to promote until 2026-11-21 17:38:17Z, 7h54m left; then
                it rolls back
      driver    nobody
      next      shipit promote storefront -e production   # moves traffic to r2
                shipit abort storefront -e production     # drops r2, r1 stays
    ");
    insta::assert_snapshot!(status_text(&view(Some(under_way(&Story::paused(), None))), NARROW), @r"
    storefront in production at 2026-11-21
      09:44:06Z
      live: web: r1 on storefront-web-v1 for
        1d1h, 4 of 4 healthy
      run: 20261121-093406-kfzw paused:
        release r2, asked for by
        arn:aws:iam::111122223333:user/kim
        10m ago
      step: web: approval for 5m49s since
        09:38:17Z (at most 8h), d-BBBBBBBBB:
        a person promotes within 8h
      traffic: web: r1 serves all of it; r2
        never got any
      waits: for a person to promote until
        2026-11-21 17:38:17Z, 7h54m left;
        then it rolls back
      driver: nobody
      next:
        shipit promote storefront -e production
          # moves traffic to r2
        shipit abort storefront -e production
          # drops r2, r1 stays
    ");
}

#[test]
fn somebody_drives_it_back() {
    let driver = Driver { holder: "ci@runner-7".to_owned(), seen_seconds_ago: 4 };
    let mut view = view(Some(under_way(&Story::failing(), Some(driver))));
    view.targets[0].active = Some("d-CCCCCCCCC by autoscaling, InProgress".to_owned());
    view.notes.push("alarms could not be read: AccessDenied".to_owned());
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 4 of 4 healthy; under way:
                d-CCCCCCCCC by autoscaling, InProgress
      run       20261121-093406-kfzw rolling back: release r2, asked for by
                arn:aws:iam::111122223333:user/kim 10m ago
      cause     alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods
      step      web: restore for 1m20s since 09:42:46Z (usually 12m, at most 2h24m),
                d-BBBBBBBBB: the baseline is restored
      traffic   web: on its way back from r2 to r1: both may answer
      driver    ci@runner-7, last seen 4s ago
      note      alarms could not be read: AccessDenied
      next      shipit show 20261121-093406-kfzw storefront -e production
                  # the whole story
    ");
}

#[test]
fn many_targets_and_one_that_could_not_be_seen() {
    let mut view = view(None);
    view.targets[0].healthy = Some((3, 4));
    view.targets.push(TargetStatus::of(&name("api")));
    let active = crate::model::observed::ActiveDeployment {
        id: "d-X".to_owned(),
        status: "InProgress".to_owned(),
        creator: "user".to_owned(),
        description: "shipit:20261121-093406-kfzw/create#1".to_owned(),
        created: Some(at(0)),
    };
    view.targets[1].active = Some(crate::report::words::active(&active));
    view.notes.push("api: codedeploy GetDeploymentGroup: AccessDenied".to_owned());
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      web: r1 on storefront-web-v1 for 1d1h, 3 of 4 healthy
                api: not known; under way: d-X of run 20261121-093406-kfzw since
                2026-11-21 09:34:06Z, InProgress
      run       none is under way
      note      api: codedeploy GetDeploymentGroup: AccessDenied
    ");
}

#[test]
fn an_alias_its_weights_and_who_moved_it() {
    let mut view = view(None);
    let alias = AliasStatus { function: "thumbnailer".to_owned(), alias: "live".to_owned(), ..AliasStatus::default() };
    let moved = AliasStatus { version: Some("41".to_owned()), ..alias.clone() };
    let by_run = AliasStatus { run: Some(run()), by: Some("kim".to_owned()), ..moved.clone() };
    let shared = AliasStatus { weights: [("42".to_owned(), Percent::whole(5))].into(), ..by_run.clone() };
    let of = |(alias, live): (AliasStatus, Option<&str>)| TargetStatus {
        live: live.map(str::to_owned),
        alias: Some(alias),
        ..TargetStatus::of(&name("thumbs"))
    };
    let all = [(alias, None), (moved, Some("bundle 05525cee")), (by_run, Some("r1")), (shared, Some("r1"))];
    view.targets = all.map(of).into();
    insta::assert_snapshot!(status_text(&view, Style::PLAIN), @r"
    storefront in production at 2026-11-21 09:44:06Z
      live      thumbs: nothing deployed yet, function thumbnailer has no alias live
                thumbs: bundle 05525cee, thumbnailer:live on version 41, moved by no
                run that is known here
                thumbs: r1, thumbnailer:live on version 41, moved by run
                20261121-093406-kfzw of kim
                thumbs: r1, thumbnailer:live on version 41 with 5% on 42, moved by
                run 20261121-093406-kfzw of kim
      run       none is under way
    ");
    let json = serde_json::to_value(&view.targets[3]).unwrap();
    let weights = serde_json::json!({ "42": "5%" });
    assert_eq!((&json["alias"]["version"], &json["alias"]["weights"]), (&"41".into(), &weights));
}

#[test]
fn a_driver_that_went_silent_leaves_the_run_to_others() {
    let driver = |seen_seconds_ago| Some(Driver { holder: "ci@runner-7".to_owned(), seen_seconds_ago });
    for (seconds, driven) in [(60, true), (61, false), (7200, false)] {
        let text = status_text(&view(Some(under_way(&Story::ready(), driver(seconds)))), Style::PLAIN);
        assert_eq!(!text.contains("nobody drives it now"), driven, "{text}");
        assert_eq!(!text.contains("shipit resume storefront -e production"), driven, "{text}");
    }
}

#[test]
fn as_json() {
    let json = serde_json::to_value(view(Some(under_way(&Story::paused(), None)))).unwrap();
    assert_eq!(json["targets"][0]["live"], "r1");
    assert_eq!(json["run"]["status"], "paused");
    assert_eq!(json["run"]["open_until"], "2026-11-21T17:38:17Z");
    assert_eq!(json["run"]["next"][0]["command"], "shipit promote storefront -e production");
}

#[test]
fn past_runs() {
    let plan = plan(false);
    let rows: Vec<HistoryRow> = [Story::rolled_back(), Story::succeeded(), Story::ready()]
        .iter()
        .map(|story| HistoryRow::of(&plan, &story.state(&plan)))
        .collect();
    insta::assert_snapshot!(history_text(&rows, at(7200), Style::PLAIN), @r"
    run                   began   release  outcome      took    by
    20261121-093406-kfzw  2h ago  r2       rolled back  10m40s  kim
      ─ alarm storefront-5xx is red: 41 > 5 in 1 of 1 periods
    20261121-093406-kfzw  2h ago  r2       succeeded    14m2s   kim
    20261121-093406-kfzw  2h ago  r2       running              kim

    total     1 of 3 succeeded, half of them within 14m2s
    ");
    insta::assert_snapshot!(history_text(&rows[..2], at(7200), NARROW), @r"
    20261121-093406-kfzw
      began: 2h ago; release: r2; outcome:
        rolled back; took: 10m40s; by: kim
      - alarm storefront-5xx is red: 41 >
        5 in 1 of 1 periods
    20261121-093406-kfzw
      began: 2h ago; release: r2; outcome:
        succeeded; took: 14m2s; by: kim

    total: 1 of 2 succeeded, half of them
      within 14m2s
    ");
    assert_eq!(summary(&rows), "1 of 3 succeeded, half of them within 14m2s");
    assert_eq!(history_text(&[], at(0), Style::PLAIN).trim(), "no run yet");
    let mut back = rows[1].clone();
    (back.what, back.parent, back.by) = ("rollback".to_owned(), Some(run()), Some("kim".to_owned()));
    let text = history_text(&[back], at(7200), Style::PLAIN);
    assert!(text.contains("back to r2") && text.contains("─ after run 20261121-093406-kfzw"), "{text}");
}
