use crate::doc::{Doc, doc};
use crate::stage::Stage;

fn value(stage: &Stage, input: Doc) -> String {
    let answer = stage.try_call("ssm", "GetParameter", input).unwrap();
    answer.get("Parameter").text("Value").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn secure_values_are_shown_to_whoever_asks_for_them() {
    let stage = Stage::new();
    let put = |value: &str, overwrite: bool| {
        let input =
            doc! { "Name" => "/shop/key", "Value" => value, "Type" => "SecureString", "Overwrite" => overwrite };
        stage.try_call("ssm", "PutParameter", input)
    };
    assert_eq!(put("one", false).unwrap().int("Version"), Some(1));
    assert_eq!(put("two", false).unwrap_err().code, "ParameterAlreadyExists");
    assert_eq!(put("two", true).unwrap().int("Version"), Some(2));
    let open = |name: &str| value(&stage, doc! { "Name" => name, "WithDecryption" => true });
    let arn = "arn:aws:ssm:ap-northeast-2:111122223333:parameter/shop/key";
    assert_eq!([open("/shop/key"), open("/shop/key:1"), open(arn)], ["two", "one", "two"]);
    let shut = value(&stage, doc! { "Name" => "/shop/key" });
    assert!(shut != "two" && shut.len() == 44, "{shut}");
    assert_eq!(stage.error("ssm", "GetParameter", doc! { "Name" => "/shop/other" }).code, "ParameterNotFound");
    assert_eq!(stage.error("ssm", "GetParameter", doc! { "Name" => "/shop/key:3" }).code, "ParameterVersionNotFound");
}
