//! Errors of the real service, as they were recorded: status, code, whose fault, what the text is called, and the text.

use crate::doc::doc;
use crate::stage::Stage;

use super::{bundle, told};

const F: &str = "arn:aws:lambda:ap-northeast-2:111122223333:function:";
const RECORDED: &str = include_str!("recorded.txt");

/// A function `f` with the versions 1 and 2 and the alias `live` on 1.
async fn stage() -> Stage {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    stage.publish("f");
    stage.release("f", "release: two").await;
    stage.alias("f", "live", "1");
    stage
}

#[tokio::test(start_paused = true)]
async fn requests_are_refused_as_they_were() {
    let mut compared = 0;
    for section in RECORDED.split("\n== ").skip(1) {
        let stage = stage().await;
        let sha = stage.configured("f").text("CodeSha256").unwrap().to_owned();
        let full = |text: &str| {
            text.replace("{F}", F)
                .replace("{ZIP}", &bundle("release: one"))
                .replace("{SHA}", &sha)
                .trim_end()
                .to_owned()
        };
        for block in section.trim_end().split("\n\n").skip(1) {
            let lines: Vec<&str> = block.lines().collect();
            let (method, path) = lines[0].split_once(' ').unwrap();
            let path = path.replace("{F}", &F.replace(':', "%3A"));
            let path = if path.starts_with("/20") { path } else { format!("/2015-03-31/functions{path}") };
            let body = if lines.len() > 2 { full(lines[1]) } else { String::new() };
            let answer = stage.ask(&format!("{method} {path}"), &body);
            assert_eq!(answer.trim_end(), full(lines[lines.len() - 1]), "{block}");
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}

#[tokio::test(start_paused = true)]
async fn invocations_are_refused_as_they_were() {
    let stage = stage().await;
    let at = "arn:aws:lambda:ap-northeast-2:123400000000@function:myfn";
    let pattern = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
    let not_found = "404 ResourceNotFoundException User Message: Function not found:";
    let wrong = format!(
        "400 ValidationException - message: 1 validation error detected: Value '{at}' at 'functionName' failed to \
         satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
    );
    for (name, expected) in [
        ("doesnotexist", format!("{not_found} {F}doesnotexist:$LATEST")),
        ("f:nope", format!("{not_found} {F}f:nope")),
        (at, wrong),
    ] {
        let error = stage.try_invoke(doc! { "FunctionName" => name }, "{}").await.unwrap_err();
        assert_eq!(told(&error), expected);
    }
    stage.lambda("PutFunctionConcurrency", doc! { "FunctionName" => "f", "ReservedConcurrentExecutions" => 0 });
    let error = stage.try_invoke(doc! { "FunctionName" => "f" }, "{}").await.unwrap_err();
    assert_eq!(told(&error), "429 TooManyRequestsException User message: Rate Exceeded.");
    assert!(error.details.contains(&("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded".to_owned())));
}
