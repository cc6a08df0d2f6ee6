//! Configuration as it is given.

use std::collections::BTreeMap;

use super::super::doc::{Doc, doc};
use super::super::world::ApiError;
use super::check::Checks;
use super::errors;
use super::nouns::Config;

/// The runtimes that can be named, in the order in which the service tells them.
const RUNTIMES: [&str; 25] = [
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
];

/// Members that are shown as they were given.
const OTHERS: [&str; 11] = [
    "Architectures",
    "DeadLetterConfig",
    "EphemeralStorage",
    "FileSystemConfigs",
    "KMSKeyArn",
    "Layers",
    "LoggingConfig",
    "PackageType",
    "SnapStart",
    "TracingConfig",
    "VpcConfig",
];

/// How large all environment variables may be together.
const VARIABLES: usize = 4096;

impl Config {
    /// What a function has that nothing is said about.
    pub fn usual(name: &str) -> Config {
        Config {
            description: String::new(),
            role: String::new(),
            runtime: String::new(),
            handler: String::new(),
            timeout: 3,
            memory: 128,
            variables: BTreeMap::new(),
            others: doc! {
                "Architectures" => vec!["x86_64"],
                "EphemeralStorage" => doc! { "Size" => 512 },
                "LoggingConfig" => doc! { "LogFormat" => "Text", "LogGroup" => format!("/aws/lambda/{name}") },
                "PackageType" => "Zip",
                "SnapStart" => doc! { "ApplyOn" => "None" },
                "TracingConfig" => doc! { "Mode" => "PassThrough" },
            },
        }
    }

    /// Sets what an input says.
    pub fn set(&mut self, name: &str, input: &Doc) -> Result<(), ApiError> {
        constraints(input)?;
        let set = |field: &mut String, member: &str| {
            if let Some(text) = input.text(member) {
                text.clone_into(field);
            }
        };
        set(&mut self.description, "Description");
        set(&mut self.role, "Role");
        set(&mut self.runtime, "Runtime");
        set(&mut self.handler, "Handler");
        if !RUNTIMES.contains(&self.runtime.as_str()) {
            return Err(errors::invalid(format!(
                "Value {} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{}] or be a \
                 valid ARN",
                self.runtime,
                RUNTIMES.join(", ")
            )));
        }
        self.timeout = input.int("Timeout").unwrap_or(self.timeout);
        self.memory = input.int("MemorySize").unwrap_or(self.memory);
        if let Doc::Map(given) = input.get("Environment").get("Variables") {
            self.variables = variables(given)?;
        }
        for member in OTHERS {
            let given = input.get(member);
            match member {
                _ if given.is_null() => {}
                "Layers" => self.others.set(member, layers(input)),
                "VpcConfig" => self.others.set(member, vpc(name, given)),
                _ => self.others.set(member, given.clone()),
            }
        }
        let queue = self.others.get("DeadLetterConfig").text("TargetArn");
        if queue.is_some_and(str::is_empty) {
            self.others.set("DeadLetterConfig", Doc::Null);
        }
        Ok(())
    }

    /// Whether versions are snapshot before they are active.
    pub fn is_snapshot(&self) -> bool {
        self.others.get("SnapStart").text("ApplyOn") == Some("PublishedVersions")
    }
}

fn constraints(input: &Doc) -> Result<(), ApiError> {
    let mut checks = Checks::default();
    if let Some(role) = input.text("Role") {
        let rule = "Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
        checks.unless(is_role(role), "role", role, rule);
    }
    checks.within(input, "Timeout", 1, 900);
    checks.within(input, "MemorySize", 128, 10240);
    let description = input.text("Description").unwrap_or_default();
    checks.unless(
        description.len() <= 256,
        "description",
        description,
        "Member must have length less than or equal to 256",
    );
    architectures(&mut checks, input);
    let others = [
        (input.text("PackageType"), "packageType", &["Zip", "Image"][..]),
        (input.get("TracingConfig").text("Mode"), "tracingConfig.mode", &["Active", "PassThrough"]),
        (input.get("SnapStart").text("ApplyOn"), "snapStart.applyOn", &["PublishedVersions", "None"]),
    ];
    for (value, member, words) in others {
        checks.one_of(value, member, words);
    }
    let storage = input.get("EphemeralStorage");
    if let Some(size) = storage.int("Size").filter(|size| !(512..=10240).contains(size)) {
        let rule = if size < 512 { "greater than or equal to 512" } else { "less than or equal to 10240" };
        checks.broken("ephemeralStorage.size", &format!("'{size}'"), &format!("Member must have value {rule}"));
    }
    for (member, name, prefix) in
        [("SubnetIds", "subnetIds", "subnet-"), ("SecurityGroupIds", "securityGroupIds", "sg-")]
    {
        let ids = input.get("VpcConfig").texts(member);
        let letters = if prefix == "sg-" { "[0-9a-zA-Z]*" } else { "[0-9a-z]*" };
        let rule = format!(
            "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length \
             greater than or equal to 0, Member must satisfy regular expression pattern: {prefix}{letters}]"
        );
        let fits = |id: &String| {
            id.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        };
        if !ids.iter().all(fits) {
            checks.broken(&format!("vpcConfig.{name}"), &format!("'[{}]'", ids.join(", ")), &rule);
        }
    }
    checks.done()
}

/// Also used for updates of the code, which may change the architecture.
pub(super) fn architectures(checks: &mut Checks, input: &Doc) {
    let given = input.texts("Architectures");
    let shown = format!("'[{}]'", given.join(", "));
    if given.len() > 1 {
        checks.broken("architectures", &shown, "Member must have length less than or equal to 1");
    }
    if !given.iter().all(|one| ["x86_64", "arm64"].contains(&one.as_str())) {
        let rule = "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]";
        checks.broken("architectures", &shown, rule);
    }
}

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else { return false };
    let name = resource.strip_prefix("role").unwrap_or_default();
    arn == "arn"
        && (partition.is_empty() || partition.starts_with("aws"))
        && (service, region) == ("iam", "")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && super::check::is_word(name, "+=,.@/")
}

fn variables(given: &[(String, Doc)]) -> Result<BTreeMap<String, String>, ApiError> {
    const RESERVED: [&str; 12] = [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    ];
    let mut variables = BTreeMap::new();
    for (name, value) in given {
        let Doc::Text(value) = value else { continue };
        let is_name = name.len() > 1
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name && !RESERVED.contains(&name.as_str()) {
            let rule = "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]";
            return Err(super::check::one("environment.variables", &format!("'{{{name}=…}}'"), rule));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(errors::invalid(format!(
                "Lambda was unable to configure your environment variables because the environment variables you have \
                 provided contains reserved keys that are currently not supported for modification. Reserved keys used \
                 in this request: {name}"
            )));
        }
        variables.insert(name.clone(), value.clone());
    }
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > VARIABLES {
        let measured = serde_json::to_string(&variables).unwrap_or_default();
        return Err(errors::invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(variables)
}

fn layers(input: &Doc) -> Vec<Doc> {
    input.texts("Layers").iter().map(|arn| doc! { "Arn" => arn, "CodeSize" => 0 }).collect()
}

/// A VPC of its own for every function; an empty configuration takes the function out of it.
fn vpc(name: &str, given: &Doc) -> Doc {
    let (subnets, groups) = (given.texts("SubnetIds"), given.texts("SecurityGroupIds"));
    if subnets.is_empty() {
        return Doc::Null;
    }
    let id: String = name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>() + "00000000000000000";
    doc! {
        "SubnetIds" => subnets,
        "SecurityGroupIds" => groups,
        "VpcId" => format!("vpc-{}", &id[..17]),
        "Ipv6AllowedForDualStack" => false,
    }
}
