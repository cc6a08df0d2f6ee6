//! What instances are launched from: a launch template, alone or in a mixed instances policy, or a launch configuration.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};

/// What a group launches from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// A launch template specification, with id and name, and the version if one was given.
    Template(Doc),
    /// A mixed instances policy and the launch template specification in it.
    Mixed(Doc, Doc),
    /// The name of a launch configuration.
    Configuration(String),
}

/// A launch configuration.
pub(super) struct Configuration {
    arn: String,
    given: Doc,
    created: Timestamp,
}

/// What a launch is made with.
pub(super) struct Blueprint {
    /// `InstanceType`.
    pub kind: String,
    /// The members that say where the instance comes from, as groups and instances show them.
    pub shown: Vec<(String, Doc)>,
    /// The members of `RunInstances`.
    pub run: Vec<(String, Doc)>,
}

impl Source {
    /// The source that an input names; nothing if it names none.
    pub fn read(world: &Arc<World>, scope: &Scope, input: &Doc) -> Result<Option<Source>, ApiError> {
        let names = ["LaunchTemplate", "LaunchConfigurationName", "MixedInstancesPolicy"];
        match names.iter().filter(|name| !input.get(name).is_null()).count() {
            0 => return Ok(None),
            1 => {}
            _ => {
                return Err(invalid(
                    "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
                ));
            }
        }
        if let Some(name) = input.text("LaunchConfigurationName") {
            let mut state = world.lock();
            let known = state.site(&scope.site).autoscaling.configurations.contains_key(name);
            return if known { Ok(Some(Source::Configuration(name.to_owned()))) } else { Err(no_configuration(name)) };
        }
        let policy = input.get("MixedInstancesPolicy");
        if policy.is_null() {
            return Ok(Some(Source::Template(specification(world, scope, input.get("LaunchTemplate"))?)));
        }
        let inner = policy.get("LaunchTemplate").get("LaunchTemplateSpecification");
        Ok(Some(Source::Mixed(policy.clone(), specification(world, scope, inner)?)))
    }

    /// The member of a group that shows it.
    pub fn shown(&self) -> (&'static str, Doc) {
        match self {
            Source::Template(specification) => ("LaunchTemplate", specification.clone()),
            Source::Mixed(policy, _) => ("MixedInstancesPolicy", policy.clone()),
            Source::Configuration(name) => ("LaunchConfigurationName", Doc::from(name)),
        }
    }

    /// What it means now, with the template's version resolved to a number.
    pub fn resolve(&self, world: &Arc<World>, scope: &Scope) -> Result<Blueprint, ApiError> {
        let specification = match self {
            Source::Template(specification) | Source::Mixed(_, specification) => specification,
            Source::Configuration(name) => {
                let mut state = world.lock();
                let configurations = &state.site(&scope.site).autoscaling.configurations;
                let given = &configurations.get(name).ok_or_else(|| no_configuration(name))?.given;
                let kind = given.text("InstanceType").unwrap_or("t3.micro").to_owned();
                return Ok(Blueprint {
                    shown: vec![("LaunchConfigurationName".to_owned(), Doc::from(name))],
                    run: vec![
                        ("ImageId".to_owned(), given.get("ImageId").clone()),
                        ("InstanceType".to_owned(), Doc::from(&kind)),
                    ],
                    kind,
                });
            }
        };
        let version = version_of(world, scope, specification)?;
        let number = version.int("versionNumber").unwrap_or(1).to_string();
        let (id, name) = (version.get("launchTemplateId"), version.get("launchTemplateName"));
        let shown =
            doc! { "LaunchTemplateId" => id.clone(), "LaunchTemplateName" => name.clone(), "Version" => &number };
        let run = doc! { "LaunchTemplateId" => id.clone(), "Version" => &number };
        Ok(Blueprint {
            kind: version.get("launchTemplateData").text("instanceType").unwrap_or("t3.micro").to_owned(),
            shown: vec![("LaunchTemplate".to_owned(), shown)],
            run: vec![("LaunchTemplate".to_owned(), run)],
        })
    }
}

/// A specification with both id and name of a template that exists.
fn specification(world: &Arc<World>, scope: &Scope, given: &Doc) -> Result<Doc, ApiError> {
    if given.text("LaunchTemplateId").is_none() && given.text("LaunchTemplateName").is_none() {
        return Err(invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName"));
    }
    let version = version_of(world, scope, given)
        .map_err(|error| invalid(format!("You must use a valid fully-formed launch template. {}", error.message)))?;
    Ok(doc! {
        "LaunchTemplateId" => version.get("launchTemplateId").clone(),
        "LaunchTemplateName" => version.get("launchTemplateName").clone(),
        "Version" => given.text("Version"),
    })
}

fn version_of(world: &Arc<World>, scope: &Scope, specification: &Doc) -> Reply {
    let mut asked = doc! { "LaunchTemplateVersion" => vec![specification.text("Version").unwrap_or("$Default")] };
    match specification.text("LaunchTemplateId") {
        Some(id) => asked.set("LaunchTemplateId", id),
        None => asked.set("LaunchTemplateName", specification.text("LaunchTemplateName")),
    }
    let versions = world.call(scope, "ec2", "DescribeLaunchTemplateVersions", &asked)?;
    let version = versions.list("launchTemplateVersionSet").first().cloned();
    version.ok_or_else(|| invalid("The launch template has no such version"))
}

fn no_configuration(name: &str) -> ApiError {
    invalid(format!("Launch configuration name not found - Launch configuration {name} not found"))
}

/// Creates a launch configuration.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "LaunchConfigurationName")?;
    let now = world.now();
    let mut state = world.lock();
    let uuid = state.uuid();
    let configurations = &mut state.site(&scope.site).autoscaling.configurations;
    if configurations.contains_key(name) {
        let text = format!(
            "Launch Configuration by this name already exists - A launch configuration already exists with the name {name}"
        );
        return Err(ApiError::new("AlreadyExists", text));
    }
    let (region, account) = (&scope.site.region, &scope.site.account);
    let arn =
        format!("arn:aws:autoscaling:{region}:{account}:launchConfiguration:{uuid}:launchConfigurationName/{name}");
    configurations.insert(name.to_owned(), Configuration { arn, given: input.clone(), created: now });
    Ok(Doc::Null)
}

/// Describes launch configurations, all or those named.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let names = input.texts("LaunchConfigurationNames");
    let mut state = world.lock();
    let configurations = &state.site(&scope.site).autoscaling.configurations;
    let docs = configurations.iter().filter(|(name, _)| names.is_empty() || names.contains(name)).map(|(_, each)| {
        let mut shown = each.given.clone();
        shown.set("LaunchConfigurationARN", &each.arn);
        shown.set("CreatedTime", each.created);
        shown
    });
    let size = input::page_size(input, "MaxRecords", 50, 100)?;
    let (docs, next) = input::page(docs.collect(), input.text("NextToken"), size)?;
    Ok(doc! { "LaunchConfigurations" => docs, "NextToken" => next })
}

/// Deletes a launch configuration that no group uses.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "LaunchConfigurationName")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).autoscaling;
    let source = Source::Configuration(name.to_owned());
    if let Some(user) = store.groups.values().find(|group| group.source == source) {
        let message = format!(
            "Cannot delete launch configuration {name} because it is attached to AutoScalingGroup {}",
            user.name
        );
        return Err(ApiError::new("ResourceInUse", message));
    }
    store.configurations.remove(name).map(|_| Doc::Null).ok_or_else(|| no_configuration(name))
}
