//! Errors of the real service, as they were recorded: status, code, whose fault, what the text is called, and the text.

use crate::sandbox::doc::doc;
use crate::sandbox::stage::Stage;

const F: &str = "arn:aws:lambda:ap-northeast-2:111122223333:function:";
const NOT_FOUND: &str = "404 ResourceNotFoundException User Message: ";
const INVALID: &str = "400 InvalidParameterValueException User message: ";
const VALIDATION: &str = "400 ValidationException - message: 1 validation error detected: ";
const STALE: &str = "412 PreconditionFailedException User message: The Revision Id provided does not match the latest Revision Id. Call the ";
const CONFLICT: &str = "409 ResourceConflictException User message: ";
const NAME: &str =
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?";
const RUNTIMES: &str = "[nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid ARN";

/// A function `f` with the versions 1 and 2 and the alias `live` on 1, which may be invoked.
async fn stage() -> Stage {
    let stage = Stage::new();
    stage.function("f", "release: one").await;
    stage.publish("f");
    stage.release("f", "release: two").await;
    stage.alias("f", "live", "1");
    stage
}

/// Requests below `/2015-03-31/functions`, or with their whole path, and what was answered; `{F}` is the ARN of functions.
fn compare(stage: &Stage, table: &[(&str, &str, String)]) {
    for (request, body, expected) in table {
        let (method, path) = request.split_once(' ').unwrap();
        let path = path.replace("{F}", &F.replace(':', "%3A"));
        let path = if path.starts_with("/20") { path } else { format!("/2015-03-31/functions{path}") };
        let answer = stage.ask(&format!("{method} {path}"), body);
        assert_eq!(answer, expected.replace("{F}", F), "{request} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn versions_and_aliases() {
    let stage = stage().await;
    let sha = stage.configured("f").text("CodeSha256").unwrap().to_owned();
    let range = "failed to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]";
    let weights = |version: &str, weights: &str| {
        format!(
            r#"{{"Name":"custom","FunctionVersion":"{version}","RoutingConfig":{{"AdditionalVersionWeights":{{{weights}}}}}}}"#
        )
    };
    let aliases = "POST /f/aliases";
    compare(
        &stage,
        &[
            ("GET /f?Qualifier=1221", "", format!("{NOT_FOUND}Function not found: {{F}}f:1221")),
            ("DELETE /no?Qualifier=1221", "", format!("{NOT_FOUND}Function not found: {{F}}no")),
            ("POST /f/versions", r#"{"RevisionId":"x"}"#, format!("{STALE}GetFunction/GetAlias API to retrieve the latest Revision Id")),
            ("POST /f/versions", r#"{"CodeSha256":"no"}"#, format!("{INVALID}CodeSHA256 (no) is different from current CodeSHA256 in $LATEST ({sha}). Please try again with the CodeSHA256 in $LATEST.")),
            ("GET /f?Qualifier=aliasdoesnotexist", "", format!("{NOT_FOUND}Function not found: {{F}}f:aliasdoesnotexist")),
            (aliases, &weights("1", r#""1":0.1,"2":0.1"#), format!("{INVALID}Number of items in AdditionalVersionWeights cannot be greater than 1")),
            (aliases, &weights("1", r#""2":2.0"#), format!("{VALIDATION}Value '{{2=2.0}}' at 'routingConfig.additionalVersionWeights' {range}")),
            (aliases, &weights("1", r#""2":-1"#), format!("{VALIDATION}Value '{{2=-1.0}}' at 'routingConfig.additionalVersionWeights' {range}")),
            (aliases, &weights("1", r#""1":0.5"#), format!("{INVALID}Invalid function version 1. Function version 1 is already included in routing configuration.")),
            (aliases, &weights("10", r#""2":0.5"#), format!("{NOT_FOUND}Function not found: {{F}}f:10")),
            (aliases, &weights("1", r#""10":0.5"#), format!("{NOT_FOUND}Function not found: {{F}}f:10")),
            (aliases, &weights("$LATEST", r#""2":0.5"#), "400 InvalidParameterValueException - message: $LATEST is not supported for an alias pointing to more than 1 version".to_owned()),
            (aliases, &weights("1", r#""$LATEST":0.5"#), format!("{VALIDATION}Value '{{$LATEST=0.5}}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")),
            ("POST /f-unknown/aliases", &weights("1", r#""2":0.5"#), format!("{NOT_FOUND}Function not found: {{F}}f-unknown:1")),
            (aliases, r#"{"Name":"live","FunctionVersion":"1"}"#, format!("{CONFLICT}Alias already exists: {{F}}f:live")),
            ("GET /f/aliases/non-existent", "", format!("{NOT_FOUND}Cannot find alias arn: {{F}}f:non-existent")),
            (aliases, r#"{"Name":"2024","FunctionVersion":"1"}"#, format!("{VALIDATION}Value '2024' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")),
            (aliases, r#"{"Name":"2024-01-02","FunctionVersion":"$LATEST"}"#, "201 CreateAlias".to_owned()),
            ("PUT /f/aliases/non-existent", "{}", format!("{NOT_FOUND}Alias not found: {{F}}f:non-existent")),
            ("DELETE /f/aliases/non-existent", "", "204 DeleteAlias".to_owned()),
            ("PUT /f/aliases/live", r#"{"RevisionId":"x"}"#, format!("{STALE}GetFunction/GetAlias API to retrieve the latest Revision Id")),
            ("DELETE /f?Qualifier=1", "", format!("{CONFLICT}Unable to delete version because the following aliases reference it: [live]")),
            ("DELETE /f?Qualifier=live", "", format!("{INVALID}Deletion of aliases is not currently supported.")),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn permissions() {
    let stage = stage().await;
    let look = "GetFunction/GetAlias API to retrieve the latest Revision Id";
    let body = |id: &str, more: &str| {
        format!(r#"{{"StatementId":"{id}","Action":"lambda:InvokeFunction","Principal":"s3.amazonaws.com"{more}}}"#)
    };
    let (stale, fine) = (body("s3", r#","RevisionId":"x""#), body("s3", ""));
    compare(
        &stage,
        &[
            ("DELETE /f/policy/s3", "", format!("{NOT_FOUND}No policy is associated with the given resource.")),
            ("POST /f/policy", &stale, format!("{STALE}{look}")),
            ("POST /f/policy", &fine, "201 AddPermission".to_owned()),
            ("POST /f/policy", &stale, format!("{STALE}GetPolicy API to retrieve the latest Revision Id")),
            ("POST /f/policy?Qualifier=live", &fine, "201 AddPermission".to_owned()),
            (
                "POST /f/policy?Qualifier=live",
                &body("s4", r#","RevisionId":"x""#),
                format!("{STALE}GetPolicy API to retrieve the latest Revision Id"),
            ),
            (
                "POST /f/policy",
                &fine,
                format!(
                    "{CONFLICT}The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."
                ),
            ),
            (
                "DELETE /f/policy/non-existent",
                "",
                format!("{NOT_FOUND}Statement non-existent is not found in resource policy."),
            ),
            ("DELETE /f/policy/s3", "", "204 RemovePermission".to_owned()),
            ("GET /f/policy", "", format!("{NOT_FOUND}The resource you requested does not exist.")),
            (
                "POST /f/policy",
                &body("example.com", ""),
                format!(
                    "{VALIDATION}Value 'example.com' at 'statementId' failed to satisfy constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"
                ),
            ),
            (
                "POST /f%3Alive/policy?Qualifier=other",
                &fine,
                format!(
                    "{INVALID}The derived qualifier from the function name does not match the specified qualifier."
                ),
            ),
            (
                "POST /f/policy?Qualifier=$LATEST",
                &fine,
                format!("{INVALID}We currently do not support adding policies for $LATEST."),
            ),
            (
                "POST /f/policy",
                &fine.replace("s3.amazonaws.com", "invalid.nonaws.com"),
                format!("{INVALID}The provided principal was invalid. Please check the principal and try again."),
            ),
            (
                "POST /f/policy?Qualifier=alias-doesnotexist",
                &fine,
                format!("{NOT_FOUND}Cannot find alias arn: {{F}}f:alias-doesnotexist"),
            ),
            ("POST /f/policy?Qualifier=42", &fine, format!("{NOT_FOUND}Function not found: {{F}}f:42")),
            (
                "POST /f/policy?Qualifier=invalid-qualifier-with-%3F-char",
                &fine,
                format!(
                    r"{VALIDATION}Value 'invalid-qualifier-with-?-char' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
                ),
            ),
            (
                "POST /f/policy?Qualifier=valid-with-$-but-doesnotexist",
                &fine,
                format!("{NOT_FOUND}Function not found: {{F}}f:valid-with-$-but-doesnotexist"),
            ),
            ("DELETE /doesnotexist/policy/s3", "", format!("{NOT_FOUND}No policy found for: {{F}}doesnotexist")),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn concurrency() {
    let stage = stage().await;
    let untyped = "400 InvalidParameterValueException - message: ";
    let of = |function: &str, qualifier: &str| {
        format!("/2019-09-30/functions/{function}/provisioned-concurrency?Qualifier={qualifier}")
    };
    let (get, put, delete) =
        (|path: &str| format!("GET {path}"), |path: &str| format!("PUT {path}"), |path: &str| format!("DELETE {path}"));
    let wanted = |count: i64| format!(r#"{{"ProvisionedConcurrentExecutions":{count}}}"#);
    let reserve = |count: i64| format!(r#"{{"ReservedConcurrentExecutions":{count}}}"#);
    let operations_on_functions = format!(
        "{INVALID}This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN."
    );
    compare(
        &stage,
        &[
            ("PUT /2017-10-31/functions/doesnotexist/concurrency", &reserve(1), format!("{NOT_FOUND}Function not found: {{F}}doesnotexist:$LATEST")),
            ("PUT /2017-10-31/functions/{F}f%3Alive/concurrency", &reserve(1), operations_on_functions),
            ("PUT /2017-10-31/functions/f/concurrency", &reserve(901), format!("{untyped}Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")),
            (&get(&of("f", "live")), "", "404 ProvisionedConcurrencyConfigNotFoundException User message: No Provisioned Concurrency Config found for this function".to_owned()),
            (&get(&of("doesnotexist", "noalias")), "", format!("{NOT_FOUND}Cannot find alias arn: {{F}}doesnotexist:noalias")),
            (&get(&of("f", "noalias")), "", format!("{NOT_FOUND}Cannot find alias arn: {{F}}f:noalias")),
            (&get(&of("f", "10")), "", format!("{NOT_FOUND}Function not found: {{F}}f:10")),
            (&get(&of("f", "$LATEST")), "", format!("{INVALID}The function resource provided must be an alias or a published version.")),
            ("GET /2019-09-30/functions/doesnotexist/provisioned-concurrency?List=ALL", "", format!("{NOT_FOUND}Function not found: {{F}}doesnotexist")),
            (&delete(&of("doesnotexist", "1")), "", format!("{NOT_FOUND}Function not found: {{F}}doesnotexist:1")),
            (&delete(&of("f", "1")), "", "204 DeleteProvisionedConcurrencyConfig".to_owned()),
            (&put(&of("f", "1")), &wanted(0), format!("{VALIDATION}Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1")),
            (&put(&of("f", "doesnotexist")), &wanted(1), format!("{NOT_FOUND}Cannot find alias arn: {{F}}f:doesnotexist")),
            (&put(&of("f", "$LATEST")), &wanted(1), format!("{INVALID}Provisioned Concurrency Configs cannot be applied to unpublished function versions.")),
            (&put(&of("f", "1")), &wanted(1), "202 PutProvisionedConcurrencyConfig".to_owned()),
            (&put(&of("f", "live")), &wanted(1), format!("{CONFLICT}Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")),
            (&delete(&of("f", "1")), "", "204 DeleteProvisionedConcurrencyConfig".to_owned()),
            (&put(&of("f", "live")), &wanted(1), "202 PutProvisionedConcurrencyConfig".to_owned()),
            (&put(&of("f", "1")), &wanted(1), format!("{CONFLICT}Version is pointed by a Provisioned Concurrency alias")),
            (&put(&of("f", "2")), &wanted(1001), format!("{untyped}Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].")),
            (&put(&of("f", "2")), &wanted(950), format!("{untyped}Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].")),
            ("DELETE /f/aliases/live", "", "204 DeleteAlias".to_owned()),
            (&get(&of("f", "live")), "", format!("{NOT_FOUND}Cannot find alias arn: {{F}}f:live")),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn functions() {
    let stage = stage().await;
    let zip = super::bundle("release: one");
    let with = |member: &str, value: &str| {
        let whole = format!(
            r#"{{"FunctionName":"g","Role":"{}","Runtime":"python3.12","Handler":"h.h","Code":{{"ZipFile":"{zip}"}}}}"#,
            super::ROLE
        );
        let mut whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
        whole[member] = serde_json::from_str(value).unwrap();
        whole.to_string()
    };
    let create = "POST ";
    let long = "a".repeat(65);
    let long_arn = format!("{F}{}", "a".repeat(90));
    let shown = |value: &str, member: &str, rule: &str| {
        format!("Value '{value}' at '{member}' failed to satisfy constraint: {rule}")
    };
    let pattern = "Member must satisfy regular expression pattern: ";
    compare(
        &stage,
        &[
            (
                "DELETE /f%3A1?Qualifier=$LATEST",
                "",
                format!(
                    "{INVALID}The derived qualifier from the function name does not match the specified qualifier."
                ),
            ),
            (
                "DELETE /f?Qualifier=$LATEST",
                "",
                format!("{INVALID}$LATEST version cannot be deleted without deleting the function."),
            ),
            (
                "GET /some-function?Qualifier=$LATEST",
                "",
                format!("{NOT_FOUND}Function not found: {{F}}some-function:$LATEST"),
            ),
            ("GET /some-function", "", format!("{NOT_FOUND}Function not found: {{F}}some-function")),
            (
                "GET /2021-10-31/functions/some-function/url",
                "",
                format!("{NOT_FOUND}The resource you requested does not exist."),
            ),
            (
                "GET /arn:aws:lambda:us-west-2:111122223333:function:f",
                "",
                format!("{NOT_FOUND}Functions from 'us-west-2' are not reachable in this region ('ap-northeast-2')"),
            ),
            (
                "GET /arn:aws:lambda:ap-northeast-2:444455556666:function:f",
                "",
                "403 AccessDeniedException - Message: ".to_owned(),
            ),
            (
                "GET /?FunctionVersion=invalid",
                "",
                format!(
                    "{VALIDATION}{}",
                    shown("invalid", "functionVersion", "Member must satisfy enum value set: [ALL]")
                ),
            ),
            (
                create,
                &with("Role", r#""r1""#),
                format!(
                    "{VALIDATION}{}",
                    shown(
                        "r1",
                        "role",
                        &format!(r"{pattern}arn:(aws[a-zA-Z-]*)?:iam::\d{{12}}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
                    )
                ),
            ),
            (
                create,
                &with("Runtime", r#""non-existent-runtime""#),
                format!(
                    "{INVALID}Value non-existent-runtime at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: {RUNTIMES}"
                ),
            ),
            (
                create,
                &with("Runtime", r#""PYTHON3.9""#),
                format!(
                    "{INVALID}Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: {RUNTIMES}"
                ),
            ),
            (
                create,
                &with("Architectures", r#"["x86_64","arm64"]"#),
                format!(
                    "{VALIDATION}{}",
                    shown("[x86_64, arm64]", "architectures", "Member must have length less than or equal to 1")
                ),
            ),
            (
                create,
                &with("Architectures", r#"["X86_64"]"#),
                format!(
                    "{VALIDATION}{}",
                    shown(
                        "[X86_64]",
                        "architectures",
                        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
                    )
                ),
            ),
            (
                create,
                &with("Code", r#"{"ZipFile":"eHh4"}"#),
                format!("{INVALID}Could not unzip uploaded file. Please check your file, then try to upload again."),
            ),
            (
                create,
                &with("Code", r#"{"S3Bucket":"nope","S3Key":"k"}"#),
                format!(
                    "{INVALID}Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist"
                ),
            ),
            (
                create,
                &with("VpcConfig", r#"{"SubnetIds":["bad-format"]}"#),
                format!(
                    "{VALIDATION}{}",
                    shown(
                        "[bad-format]",
                        "vpcConfig.subnetIds",
                        "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*]"
                    )
                ),
            ),
            (
                create,
                &with("VpcConfig", r#"{"SubnetIds":["subnet-1"],"SecurityGroupIds":["bad-format"]}"#),
                format!(
                    "{VALIDATION}{}",
                    shown(
                        "[bad-format]",
                        "vpcConfig.securityGroupIds",
                        "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: sg-[0-9a-zA-Z]*]"
                    )
                ),
            ),
            (
                create,
                &with("FunctionName", r#""invalid:function:name""#),
                format!(
                    r"{VALIDATION}{}",
                    shown(
                        "invalid:function:name",
                        "functionName",
                        &format!(r"{pattern}{NAME}([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?")
                    )
                ),
            ),
            (
                create,
                &with("FunctionName", &format!("{long:?}")),
                format!(
                    "{INVALID}1 validation error detected: {}",
                    shown(&long, "functionName", "Member must have length less than or equal to 64")
                ),
            ),
            (
                create,
                &with("FunctionName", &format!("{long_arn:?}")),
                format!(
                    "{VALIDATION}{}",
                    shown(&long_arn, "functionName", "Member must have length less than or equal to 140")
                ),
            ),
            (create, &with("FunctionName", r#""f""#), format!("{CONFLICT}Function already exist: f")),
            ("PUT /f/code", &format!(r#"{{"ZipFile":"{zip}"}}"#), "200 UpdateFunctionCode".to_owned()),
            (
                "PUT /f/code",
                &format!(r#"{{"ZipFile":"{zip}"}}"#),
                format!(
                    "{CONFLICT}The operation cannot be performed at this time. An update is in progress for resource: {{F}}f"
                ),
            ),
            (
                "POST /f/versions",
                "",
                format!(
                    "{CONFLICT}The operation cannot be performed at this time. An update is in progress for resource: {{F}}f"
                ),
            ),
            ("DELETE /f", "", "204 DeleteFunction".to_owned()),
            ("DELETE /f", "", format!("{NOT_FOUND}Function not found: {{F}}f")),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn invocations() {
    let stage = stage().await;
    let at = "arn:aws:lambda:ap-northeast-2:123400000000@function:myfn";
    let pattern = format!(r"{NAME}([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?");
    for (name, expected) in [
        ("doesnotexist", format!("{NOT_FOUND}Function not found: {F}doesnotexist:$LATEST")),
        ("f:nope", format!("{NOT_FOUND}Function not found: {F}f:nope")),
        (
            at,
            format!(
                "{VALIDATION}Value '{at}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
            ),
        ),
    ] {
        let error = stage.try_invoke(doc! { "FunctionName" => name }, "{}").await.unwrap_err();
        assert_eq!(super::told(&error), expected);
    }
    stage.lambda("PutFunctionConcurrency", doc! { "FunctionName" => "f", "ReservedConcurrentExecutions" => 0 });
    let error = stage.try_invoke(doc! { "FunctionName" => "f" }, "{}").await.unwrap_err();
    assert_eq!(super::told(&error), "429 TooManyRequestsException User message: Rate Exceeded.");
    assert_eq!(error.details[1], ("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded".to_owned()));
}
