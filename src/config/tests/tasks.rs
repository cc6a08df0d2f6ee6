//! What is done around the traffic, as a file says it: every mistake has its place.

use super::super::*;

/// The problems of a list, each with its line and column.
fn told(target: &str, lists: &str) -> Vec<String> {
    let text = format!(
        "version: 1\npipeline: shop\nstore: {{ bucket: acme-shipit }}\nartifacts: {{ web: {{ path: app }} }}\n\
         environments: {{ production: {{ account: \"111122223333\", region: ap-northeast-2 }} }}\ntargets:\n  web:\n\
         {target}    artifact: web\n    health: {{}}\n{lists}"
    );
    match parse(&text, "a.yml") {
        Ok(_) => Vec::new(),
        Err(problems) => {
            let place = |problem: &Problem| problem.span.map(|span| span.start).unwrap_or_default();
            let at = |offset: usize| {
                let before = &text[..offset];
                let line = before.matches('\n').count() + 1;
                (line, offset - before.rfind('\n').map_or(0, |end| end + 1) + 1)
            };
            problems
                .list()
                .iter()
                .map(|problem| {
                    let (line, column) = at(place(problem));
                    format!("{line}:{column}: {}", problem.message)
                })
                .collect()
        }
    }
}

const FLEET: &str = "    fleet: { application: shop, deployment_group: web }\n    strategy: { blue_green: {} }\n";
const FUNCTION: &str = "    function: { name: thumbs, alias: live }\n    strategy: { all_at_once: {} }\n";

#[test]
fn tasks_that_cannot_be_done_are_said_with_their_place() {
    let mut wrong = Vec::new();
    for (target, lists, expected) in [
        (
            FLEET,
            "    before_traffic: [{ command: { run: [./migrate.sh, up], within: 1h } }]\n    after: [{ http: { path: /x } }]\n",
            vec![],
        ),
        (FLEET, "    before_traffic: [{ command: { run: [] } }]\n", vec!["12:35: `run` is empty"]),
        (
            FLEET,
            "    before_traffic: [{ command: { run: [./migrate.sh up] } }]\n",
            vec!["12:41: `./migrate.sh up` is one word: there is no shell that would part it"],
        ),
        (FLEET, "    after: [{ command: { run: [\"true\"], within: 13h } }]\n", vec!["12:49: `within` is 13h"]),
        (
            FLEET,
            "    before_traffic: [{ http: { path: /x } }]\n",
            vec!["12:38: before traffic moves the live listener leads to the old release"],
        ),
        (FLEET, "    after: [{ http: {} }]\n", vec!["12:15: which page is asked for?"]),
        (
            FLEET,
            "    after: [{ http: { path: /x, url: \"http://a/x\" } }]\n",
            vec!["12:29: a page has a `path` or a `url`, not both"],
        ),
        (FUNCTION, "    after: [{ http: { path: /x } }]\n", vec!["12:29: a function has no listener of its own"]),
        (
            FUNCTION,
            "    after: [{ http: { url: \"ftp://x\" } }]\n",
            vec!["12:15: which page is asked for?", "12:28: `url` cannot be `ftp://x`"],
        ),
        (
            FLEET,
            "    after: [{ invoke: { payload: e.json } }]\n",
            vec!["12:15: a fleet has no version that could be called"],
        ),
        (FLEET, "    after: [{ invoke: { payload: e.json, function: \"a:b\" } }]\n", vec![]),
        (
            FUNCTION,
            "    after: [{ invoke: { payload: e.json, repeatable: true } }]\n",
            vec!["12:54: the new version is always called again"],
        ),
        (
            FUNCTION,
            "    after: [{ invoke: { payload: e.json, expect: { within: 41s } } }]\n",
            vec!["12:60: `within` is 41s"],
        ),
    ] {
        let told = told(target, lists);
        wrong.extend((told != expected).then(|| format!("{lists}: {told:?}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
}
