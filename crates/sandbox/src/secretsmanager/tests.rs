use crate::doc::{Doc, doc};
use crate::stage::Stage;

fn ask(stage: &Stage, operation: &str, input: Doc) -> Doc {
    stage.try_call("secretsmanager", operation, input).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_found_by_its_name_and_its_arn() {
    let stage = Stage::new();
    let made = ask(&stage, "CreateSecret", doc! { "Name" => "shop/probe", "SecretString" => "one" });
    let arn = made.text("ARN").unwrap().to_owned();
    let (start, mark) = arn.rsplit_once('-').unwrap();
    assert_eq!((start, mark.len()), ("arn:aws:secretsmanager:ap-northeast-2:111122223333:secret:shop/probe", 6));
    for id in ["shop/probe", arn.as_str(), start] {
        let found = ask(&stage, "GetSecretValue", doc! { "SecretId" => id });
        assert_eq!(
            (found.text("SecretString"), found.texts("VersionStages").join(" ")),
            (Some("one"), "AWSCURRENT".into())
        );
    }
    let error = stage.error("secretsmanager", "GetSecretValue", doc! { "SecretId" => "shop/other" });
    assert_eq!(error.code, "ResourceNotFoundException");
    assert_eq!(error.message, "Secrets Manager can't find the specified secret.");
    let again = stage.error("secretsmanager", "CreateSecret", doc! { "Name" => "shop/probe" });
    assert_eq!(again.code, "ResourceExistsException");
    let odd = stage.error("secretsmanager", "CreateSecret", doc! { "Name" => "Inv Name" });
    assert_eq!(odd.code, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn values_have_stages() {
    let stage = Stage::new();
    ask(&stage, "CreateSecret", doc! { "Name" => "a", "SecretString" => "one" });
    let previous = || doc! { "SecretId" => "a", "VersionStage" => "AWSPREVIOUS" };
    let error = stage.error("secretsmanager", "GetSecretValue", previous());
    assert_eq!(error.message, "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS");
    let put = ask(&stage, "PutSecretValue", doc! { "SecretId" => "a", "SecretString" => "two" });
    assert_eq!(ask(&stage, "GetSecretValue", doc! { "SecretId" => "a" }).text("SecretString"), Some("two"));
    assert_eq!(ask(&stage, "GetSecretValue", previous()).text("SecretString"), Some("one"));
    let mixed = doc! { "SecretId" => "a", "VersionId" => put.text("VersionId"), "VersionStage" => "AWSPREVIOUS" };
    assert_eq!(stage.error("secretsmanager", "GetSecretValue", mixed).code, "InvalidRequestException");
}
