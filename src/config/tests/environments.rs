//! Environments: overrides, variables, stages.

use super::{changed, is_as_committed};
use crate::config::{Facts, File, Need};
use crate::model::Pipeline;
use crate::model::pipeline::Promote;

/// A pipeline with two environments that use everything.
const TWO: &str = include_str!("../testdata/two.yml");

fn facts() -> Facts {
    Facts {
        release: Some("v7".to_owned()),
        git_sha: Some("0123abc".to_owned()),
        git_branch: Some("main".to_owned()),
        env: [("COLOUR".to_owned(), "green".to_owned()), ("LINES2".to_owned(), "a\nb".to_owned())].into(),
    }
}

fn pipeline(environment: &str) -> Pipeline {
    let file = File::parse(TWO, "two.yml").unwrap();
    assert_eq!((file.environments(), file.asks_git()), (vec!["staging", "production"], true));
    assert_eq!(file.env_names(), ["COLOUR"].into());
    file.pipeline(environment, &facts(), Need::All).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn each_environment_is_a_pipeline_of_its_own() {
    let staging = pipeline("staging");
    let web = &staging.targets.values().nth(1).unwrap();
    let strategy = web.blue_green().unwrap();
    assert_eq!((strategy.promote, strategy.within.to_string().as_str()), (Promote::Automatic, "2h"));
    assert_eq!((web.health.bake.to_string().as_str(), web.health.alarms.len()), ("1m", 0));
    assert_eq!(staging.store.prefix, "shop-staging");
    assert_eq!(
        (web.fleet.as_ref().unwrap().application.as_str(), web.fleet.as_ref().unwrap().deployment_group.as_str()),
        ("shop-staging", "web-green")
    );
    assert_eq!(staging.targets.values().next().unwrap().artifact.as_str(), "web");
    assert_eq!(staging.environments.len(), 1);
    assert_eq!(staging.in_stages().iter().map(|(name, all)| (*name, all.len())).collect::<Vec<_>>(), [("all", 2)]);

    let production = pipeline("production");
    let web = &production.targets.values().nth(1).unwrap();
    let strategy = web.blue_green().unwrap();
    assert_eq!((strategy.promote, web.health.alarm_names().join(" ")), (Promote::Manual, "shop-5xx plain".to_owned()));
    let role = production.environments.values().next().unwrap().role.clone();
    assert_eq!(role.as_deref(), Some("arn:aws:iam::444455556666:role/shop"));
    let paths: Vec<&str> = production.artifacts.values().map(|artifact| artifact.path.as_str()).collect();
    assert_eq!(paths, ["dist/0123abc/db.zip", "dist/v7/web"]);
    assert_eq!(production.targets.values().next().unwrap().fleet.as_ref().unwrap().deployment_group, "db${x}");
    let stages: Vec<_> = production.in_stages().iter().map(|(name, all)| format!("{name}: {}", all[0])).collect();
    assert_eq!(stages, ["first: db", "second: web"]);
}

#[test]
fn what_a_command_does_not_need_need_not_be_known() {
    let file = File::parse(TWO, "two.yml").unwrap();
    let refused = |need| {
        let problems = file.pipelines(&Facts::default(), need).err();
        let said = problems.iter().flat_map(|problems| problems.list()).map(|problem| problem.message.clone());
        said.collect::<Vec<_>>()
    };
    assert!(refused(Need::Nothing).is_empty() && refused(Need::Store).is_empty());
    assert_eq!(refused(Need::Targets), ["`${env.COLOUR}` is not set"]);
    assert_eq!(refused(Need::AllButRelease), ["`${git.sha}` is not known", "`${env.COLOUR}` is not set"]);
    assert_eq!(
        refused(Need::All),
        ["`${release}` is not known", "`${git.sha}` is not known", "`${env.COLOUR}` is not set"]
    );
    // What is not known stays as it is written.
    let known = file.pipelines(&facts(), Need::Nothing).unwrap();
    assert!(known.values().all(|it| it.artifacts.values().all(|artifact| !artifact.path.contains('$'))));
    let unknown = file.pipelines(&Facts::default(), Need::Nothing).unwrap();
    assert!(unknown.values().all(|it| it.artifacts.values().all(|artifact| artifact.path.contains("${"))));
    // The other environment's variables are not asked for.
    let text = changed(TWO, "role: \"arn:aws:iam::444455556666:role/${vars.team}\"", "role: \"${env.ROLE}\"");
    let file = File::parse(&text, "two.yml").unwrap();
    assert!(file.pipeline("staging", &facts(), Need::All).is_ok());
    let text = changed(TWO, "prefix: \"${vars.team}\"", "prefix: \"${env.TEAM}\"");
    assert!(File::parse(&text, "two.yml").unwrap().pipelines(&facts(), Need::Nothing).is_ok());
    assert!(file.pipeline("production", &facts(), Need::All).is_err());
    assert!(file.pipeline("production", &facts(), Need::Store).is_err());
}

#[test]
fn every_mistake_with_environments_is_one_problem() {
    let mut actual = String::new();
    for (was, is) in [
        ("${release}", "${relaese}"),
        ("${release}", "${version}"),
        ("${release}", "${COLOUR}"),
        ("${release}", "${release"),
        ("${release}", "${env.AWS_SECRET_ACCESS_KEY}"),
        ("${release}", "${env.NPM_TOKEN}"),
        ("${release}", "${env.dbPassword}"),
        ("${release}", "${env.}"),
        ("${release}", "${env.LINES2}"),
        ("${release}", "${env.TOKENIZER_DIR}"),
        ("${vars.team}\" }", "${vars.taem}\" }"),
        ("${vars.team}\" }", "${release}\" }"),
        ("web-${env.COLOUR}", "${git.branch}"),
        ("bake: 10m", "bake: ${vars.bake}"),
        ("bake: 10m", "bake: \"${vars.team}\""),
        ("promote: manual", "promote: ${vars.team}"),
        ("promote: manual", "promote: \"${vars.team}\""),
        ("within: 2h", "within: \"${vars.team}\""),
        ("pipeline: shop", "pipeline: ${vars.team}"),
        ("vars: { team: shop }", "vars: { team: shop, n: 5 }"),
        ("vars: { team: shop }", "vars: { team: shop, n: \"${env.COLOUR}\" }"),
        ("vars: { team: shop }", "vars: { team: shop, \"a b\": c }"),
        ("role: \"arn:aws:iam::444455556666:role/${vars.team}\"", "role: \"${env.ROLE}\""),
        ("vars: { team: shop-staging }", "vars: { taem: shop-staging, team: 5 }"),
        ("        db:\n          artifact: web", "        bd:\n          artifact: web"),
        ("artifact: web\n      stages", "artfact: web\n      stages"),
        ("artifact: web\n      stages", "artifact: null\n      stages"),
        ("artifact: web\n      stages", "artifact: wbe\n      stages"),
        ("alarms: null", "http: null"),
        ("      stages: null", "      stagse: null"),
        ("      stages: null", "      vars: { team: x }"),
        ("      stages: null", "      version: 2"),
        ("      stages: null", "      store: { prefix: / }"),
        ("      stages: null", "      stages: [{ name: one, targets: [web] }]"),
        ("{ bake: 1m, alarms: null }", "{ bake: 1 m, alarms: null }"),
        ("{ bake: 1m, alarms: null }", "5m"),
        ("bake: 10m", "bake: 10 min"),
        ("targets: [db]", "targets: []"),
        ("targets: [db]", "targets: [bd]"),
        ("targets: [db]", "targets: [db, web]"),
        ("targets: [db]", "targets: [db, db]"),
        ("  - name: second\n    targets: [web]\n", ""),
        ("name: second", "name: first"),
        ("  db:\n    fleet", "  Db:\n    fleet"),
    ] {
        let text = changed(TWO, was, is);
        let problems = File::parse(&text, "two.yml").and_then(|file| file.pipelines(&facts(), Need::All));
        let problems = problems.as_ref().err().map(|problems| problems.list()).unwrap_or_default();
        let is_once = problems.windows(2).all(|pair| pair[0].span == pair[1].span);
        assert!(is_once && problems.iter().all(|problem| problem.help.is_some()), "{was} → {is}");
        let said = match File::parse(&text, "two.yml").and_then(|file| file.pipelines(&facts(), Need::All)) {
            Ok(_) => "nothing".to_owned(),
            Err(problems) => problems.to_string(),
        };
        actual += &format!("- {}\n+ {}\n{said}\n\n", was.replace('\n', "\\n"), is.replace('\n', "\\n"));
    }
    is_as_committed("src/config/testdata/environments.txt", &actual);
}

#[test]
fn very_many_environments_cost_little() {
    let targets: String = (0..100)
        .map(|n| {
            format!("  t{n}: {{ fleet: {{ application: a, deployment_group: g{n} }}, artifact: web, strategy: x }}\n")
        })
        .collect();
    let environments: String =
        (0..1000).map(|n| format!("  e{n}: {{ account: \"111122223333\", region: us-east-1 }}\n")).collect();
    let text = format!(
        "version: 1\npipeline: a\nstore: {{ bucket: abc }}\nartifacts: {{ web: {{ path: x }} }}\nenvironments:\n{environments}targets:\n{targets}"
    );
    let problems = File::parse(&text, "a.yml").unwrap().pipelines(&facts(), Need::All).unwrap_err();
    assert_eq!(problems.list()[0].message, "more than 50 environments");
    assert_eq!(problems.list().len(), 101);
}

#[test]
fn releases_come_from_an_environment_that_is_there_and_from_somewhere_in_the_end() {
    const PLACE: &str = "account: \"444455556666\", region: eu-west-1";
    let with = |staging: &str, production: &str| {
        let both = format!("environments:\n  staging: {{ {PLACE}{staging} }}\n  production: {{ {production}");
        let text = changed(super::GOOD, "environments:\n  production: { ", &both);
        let file = File::parse(&text, "shop.yml").unwrap();
        let problems = file.pipelines(&Facts::default(), Need::Nothing).err();
        problems.map_or_else(|| "fine".to_owned(), |problems| problems.to_string())
    };
    assert_eq!(with("", "after: staging, "), "fine");
    for (staging, production, part) in [
        ("", "after: stagin, ", "there is no environment `stagin`"),
        ("", "after: production, ", "no release ever gets into `production`"),
        (", after: production", "after: staging, ", "no release ever gets into `staging`"),
    ] {
        let said = with(staging, production);
        assert!(said.contains(part), "{part}\n{said}");
    }
}
