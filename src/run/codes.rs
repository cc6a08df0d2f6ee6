//! What the codes of CodeDeploy and of its agent mean, and what to do about each. The tables are complete for the API as
//! it is known here (a test compares them with the SDK's lists); a newer code is told as it came.

/// What a code means and what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// AWS's code.
    pub code: &'static str,
    /// What happened, in a sentence.
    pub says: &'static str,
    /// What to look at or to do.
    pub next: &'static str,
}

const fn of(code: &'static str, says: &'static str, next: &'static str) -> Meaning {
    Meaning { code, says, next }
}

/// What the code of a deployment means.
pub fn deployment(code: &str) -> Option<&'static Meaning> {
    DEPLOYMENT.iter().find(|it| it.code == code)
}

/// What the code of a lifecycle event on a host means.
pub fn script(code: &str) -> Option<&'static Meaning> {
    SCRIPT.iter().find(|it| it.code == code)
}

/// What a part of a host's message means; the agent reports most of its own trouble as `UnknownError`.
pub fn message(text: &str) -> Option<&'static Meaning> {
    MESSAGES.iter().find(|it| text.contains(it.code))
}

/// The codes of deployments.
const DEPLOYMENT: &[Meaning] = &[
    of(
        "AGENT_ISSUE",
        "the CodeDeploy agent of a host is missing, stopped or too old",
        "look on the hosts: systemctl status codedeploy-agent; it needs an instance profile and a way out on port 443",
    ),
    of(
        "ALARM_ACTIVE",
        "an alarm of the deployment group turned red, so CodeDeploy stopped the deployment",
        "look at the alarm and at what the new release did to it; the release stays undone until it is deployed again",
    ),
    of(
        "APPLICATION_MISSING",
        "the CodeDeploy application was deleted before the deployment began",
        "make the application again, or mend `fleet: application:` in the pipeline",
    ),
    of(
        "AUTOSCALING_VALIDATION_ERROR",
        "Auto Scaling refused the copy of the group",
        "look at the group's launch template, subnets and capacity: its scaling activities say what was refused",
    ),
    of(
        "AUTO_SCALING_CONFIGURATION",
        "the deployment group and its Auto Scaling group do not fit each other any more",
        "take the Auto Scaling group out of the deployment group and put it back (UpdateDeploymentGroup), which makes \
         CodeDeploy's lifecycle hook anew",
    ),
    of(
        "AUTO_SCALING_IAM_ROLE_PERMISSIONS",
        "CodeDeploy's service role may not do what a copy of the Auto Scaling group needs",
        "with a launch template the role needs ec2:RunInstances, ec2:CreateTags and iam:PassRole beside \
         AWSCodeDeployRole, although AWS speaks of Auto Scaling",
    ),
    of(
        "CLOUDFORMATION_STACK_FAILURE",
        "the CloudFormation stack that drives the deployment failed",
        "look at the events of the stack; shipit does not drive such deployments itself",
    ),
    of(
        "CODEDEPLOY_RESOURCE_CANNOT_BE_FOUND",
        "something that the deployment names in CodeDeploy does not exist any more",
        "look whether the application, the deployment group and its configuration are still there",
    ),
    of(
        "CUSTOMER_APPLICATION_UNHEALTHY",
        "the targets were unhealthy after traffic had moved",
        "look at the reasons in the target group's health, and at the application's log",
    ),
    of(
        "DEPLOYMENT_GROUP_MISSING",
        "the deployment group was deleted before the deployment began",
        "make the group again, or mend `fleet: deployment_group:` in the pipeline",
    ),
    of(
        "ECS_UPDATE_ERROR",
        "Amazon ECS refused a change of the service",
        "look at the events of the ECS service; shipit does not drive such deployments itself",
    ),
    of(
        "ELASTIC_LOAD_BALANCING_INVALID",
        "the load balancer or target group of the deployment group is missing or cannot be used",
        "look whether the target group exists, has type `instance`, and a listener forwards to it",
    ),
    of(
        "ELB_INVALID_INSTANCE",
        "a host could not be registered with the target group or taken out of it",
        "look whether the host still runs, and is in the target group's VPC and in a zone of the load balancer",
    ),
    of(
        "HEALTH_CONSTRAINTS",
        "too many hosts failed",
        "look at the first host that failed: this code is only the sum of what happened on hosts",
    ),
    of(
        "HEALTH_CONSTRAINTS_INVALID",
        "the deployment configuration wants more healthy hosts than a deployment can leave alone",
        "choose a deployment configuration that lets at least one host be taken out, or add hosts; percentages are \
         rounded up",
    ),
    of(
        "HOOK_EXECUTION_FAILURE",
        "a validation function said no, or did not answer within an hour",
        "look at the log group of the hook's function",
    ),
    of(
        "IAM_ROLE_MISSING",
        "CodeDeploy's service role does not exist any more",
        "make the role again, or give the deployment group another one (its old stack may have been deleted)",
    ),
    of(
        "IAM_ROLE_PERMISSIONS",
        "CodeDeploy's service role cannot be assumed or may not do what is needed",
        "the role must trust codedeploy.amazonaws.com and have AWSCodeDeployRole; with a launch template also \
         ec2:RunInstances, ec2:CreateTags and iam:PassRole",
    ),
    of("INTERNAL_ERROR", "CodeDeploy failed by itself", "deploy again; AWS's health dashboard may know more"),
    of(
        "INVALID_ECS_SERVICE",
        "the ECS service cannot be deployed to by CodeDeploy",
        "look at the service's deployment controller; shipit does not drive such deployments itself",
    ),
    of(
        "INVALID_LAMBDA_CONFIGURATION",
        "the alias and the versions that the deployment names do not fit each other",
        "look where the alias points now: it may still be weighted from an earlier deployment, or have been moved",
    ),
    of(
        "INVALID_LAMBDA_FUNCTION",
        "the function, one of its versions or its alias does not exist or cannot be used",
        "look whether the function, both versions and the alias are there",
    ),
    of(
        "INVALID_REVISION",
        "CodeDeploy cannot read the bundle or its AppSpec",
        "run `shipit validate`; the bundle's type must be what its bytes are, with appspec.yml at its root",
    ),
    of("MANUAL_STOP", "a person or a program stopped the deployment", "CloudTrail says who called StopDeployment"),
    of(
        "MISSING_BLUE_GREEN_DEPLOYMENT_CONFIGURATION",
        "the deployment group is blue/green but has no settings for it",
        "run `shipit plan`, which says what the group lacks",
    ),
    of(
        "MISSING_ELB_INFORMATION",
        "the deployment group names no load balancer",
        "run `shipit plan`, which says what the group lacks",
    ),
    of(
        "MISSING_GITHUB_TOKEN",
        "CodeDeploy has no connection to the GitHub repository of the revision",
        "deploy from a bucket, as shipit does, or connect the account in the console",
    ),
    of("NO_EC2_SUBSCRIPTION", "the account is not signed up for Amazon EC2", "sign the account up for EC2"),
    of(
        "NO_INSTANCES",
        "CodeDeploy found no instance to deploy to",
        "look whether the Auto Scaling group has instances InService; its scaling activities say why not",
    ),
    of(
        "OVER_MAX_INSTANCES",
        "there are more instances than one deployment may have",
        "ask for a higher quota of instances per deployment, or split the group",
    ),
    of(
        "RESOURCE_LIMIT_EXCEEDED",
        "a quota of the account is used up",
        "look at Service Quotas of Auto Scaling and EC2: a second fleet is needed while both are there",
    ),
    of(
        "REVISION_MISSING",
        "the bundle was gone before the deployment began",
        "look for lifecycle rules that delete from the artifact store; a new deploy puts the bundle there again",
    ),
    of(
        "THROTTLED",
        "AWS throttled the calls of CodeDeploy's service role",
        "deploy again later; many deployments at once in one account are the usual cause",
    ),
    of(
        "TIMEOUT",
        "the deployment took longer than CodeDeploy allows",
        "look at the event that was under way: scripts get 3600 s each at most",
    ),
];

/// The codes of lifecycle events on hosts.
const SCRIPT: &[Meaning] = &[
    of("Success", "ended well", "look at the other hosts"),
    of(
        "ScriptMissing",
        "the script is not in the bundle",
        "look at the `hooks:` of appspec.yml: paths begin at the bundle's root, upper and lower case differ",
    ),
    of(
        "ScriptNotExecutable",
        "the script cannot be made executable",
        "look whether the host's disk is full or read-only; give the script mode 755 in the source",
    ),
    of(
        "ScriptTimedOut",
        "the script took longer than its timeout",
        "look at the end of its log; raise `timeout:` in appspec.yml if it needs longer",
    ),
    of(
        "ScriptFailed",
        "the script ended with an error",
        "look at the end of its log below; run the script by hand on a host of that kind",
    ),
    of("UnknownError", "the agent gave up", "look at the message below"),
];

/// Parts of agents' messages.
const MESSAGES: &[Meaning] = &[
    of(
        "not opened for reading",
        "the host could not read the bundle",
        "the instance profile needs s3:GetObject on the bundle (and kms:Decrypt if it is encrypted by a key), and the \
         bucket must be in the host's region",
    ),
    of(
        "already exists at this location",
        "a file was in the way that no earlier deployment of this group had put there",
        "remove the file, or set `file_exists_behavior: OVERWRITE` in appspec.yml",
    ),
    of(
        "disk is (or was) full",
        "the host's disk is full",
        "give hosts a larger disk, or let the agent keep fewer revisions (`:max_revisions:`)",
    ),
    of(
        "did not find an AppSpec file",
        "the bundle has no appspec.yml at its root",
        "run `shipit validate`; the artifact's path must hold appspec.yml itself",
    ),
    of(
        "does not exist at the expected location",
        "the bundle has no appspec.yml where the agent looks for it",
        "run `shipit validate`; the file is called appspec.yml, in these letters, and lies at the bundle's root",
    ),
    of(
        "YAML parsing error",
        "the agent of this host cannot read appspec.yml",
        "run `shipit validate`, which names the line; agents 2.0 and later want types: seconds without quotes, true or \
         false, no key twice",
    ),
    of(
        "Failed to parse appspec",
        "Install could not read appspec.yml",
        "run `shipit validate`, which names the line and the agents that refuse it",
    ),
    of(
        "Exec format error",
        "the script does not begin with `#!`, and agents 2.0 and later start scripts without a shell",
        "begin the script with a line #!/bin/sh, or with the interpreter it is for",
    ),
    of(
        "failed with error No such file or directory (os error 2)",
        "the first line of the script names an interpreter that the host does not have",
        "install it on hosts, or mend the line; with CR LF at its end no host finds it",
    ),
    of(
        "unknown lifecycle events",
        "appspec.yml names a hook that the agent does not know",
        "run `shipit validate`, which names the hook and its line",
    ),
    of(
        "invalid version value",
        "the agent does not accept the version in appspec.yml",
        "write `version: 0.0`, without quotes",
    ),
    of(
        "bundle etag",
        "the bundle in the bucket is not the one that was deployed",
        "somebody replaced it: look at the object's versions; the artifact store must only be written by shipit",
    ),
    of(
        "failed to close STDOUT",
        "the script left a program running that still holds its output",
        "start it with `> /dev/null 2> /dev/null < /dev/null &`",
    ),
    of(
        "after an agent restart",
        "the agent or the host was restarted in the middle of the event",
        "look what restarted it; nothing has to be wrong with the release",
    ),
    // Before the agent's other words about Install.
    of(
        "Install failed for group",
        "the files of the release could not be put into place",
        "look at what stands at the destinations of `files:` on the host, at their owners, and at its disk; the agent's \
         log names the path",
    ),
];

/// What to look at when a host let every event pass by: its agent never asked for work.
pub const SILENT: &[&str] = &[
    "on the host: systemctl status codedeploy-agent, and /var/log/aws/codedeploy-agent/codedeploy-agent.log",
    "an instance profile is missing or was attached later: the agent needs it, and a restart after that",
    "no way out on port 443 to CodeDeploy and S3: a route, a NAT, VPC endpoints, the security group",
    "the clock is wrong (`Signature expired` in that log), or the machine took over an hour to start",
];

/// What the name of the event that failed says, where it says more than its script's code.
pub fn event(name: &str) -> Option<&'static Meaning> {
    EVENTS.iter().find(|it| it.code == name)
}

/// Whether the scripts of an event are those of the release that was installed before.
pub fn is_of_the_release_before(event: &str) -> bool {
    matches!(event, "ApplicationStop" | "BeforeBlockTraffic" | "AfterBlockTraffic")
}

/// What to do about a script of the release before.
pub const RELEASE_BEFORE: &str = "this script comes from the release that was there before, not from the new one: \
    deploy once by hand with --ignore-application-stop-failures, then go on as ever";

/// Events by name.
const EVENTS: &[Meaning] = &[
    of(
        "AllowTraffic",
        "the host did not become healthy in its target group",
        "look at the health check's path, port and status codes, and at the security group; no script runs here, so \
         there is no log",
    ),
    of(
        "BlockTraffic",
        "the host could not be taken out of its target group",
        "look whether it still runs, and at what the target group's health says of it; no script runs here",
    ),
    of(
        "DownloadBundle",
        "the host could not get the bundle",
        "the host must be able to read it: its instance profile, the bucket's policy and region, the disk",
    ),
];

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::{ErrorCode, LifecycleErrorCode};

    use super::*;

    fn codes(table: &[Meaning]) -> Vec<&str> {
        table.iter().map(|it| it.code).collect()
    }

    #[test]
    fn every_code_of_the_api_has_its_sentence_and_its_next_step() {
        assert_eq!(codes(DEPLOYMENT), ErrorCode::values());
        let mut scripts = codes(SCRIPT);
        scripts.sort_unstable();
        assert_eq!(scripts, LifecycleErrorCode::values());
        let all: Vec<&Meaning> = [DEPLOYMENT, SCRIPT, MESSAGES, EVENTS].into_iter().flatten().collect();
        for meaning in &all {
            assert!(!meaning.says.is_empty() && !meaning.next.is_empty(), "{}", meaning.code);
            assert!(!meaning.says.ends_with('.') && !meaning.next.ends_with('.'), "{}", meaning.code);
            assert!(meaning.says.chars().count() <= 110, "{}: a title has to be short", meaning.code);
        }
        let mut said: Vec<&str> = all.iter().map(|it| it.says).collect();
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), all.len(), "two codes say the same");
        assert_eq!((deployment("NEW_CODE"), script("NewCode"), message("new words")), (None, None, None));
    }
}
