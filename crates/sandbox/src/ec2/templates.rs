//! Launch templates and their versions.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::doc::{Doc, doc};
use super::super::input;
use super::super::world::{ApiError, Reply, Scope, World};

/// One launch template; versions count from 1.
pub(super) struct Template {
    id: String,
    name: String,
    created: Timestamp,
    creator: String,
    default: usize,
    versions: Vec<Version>,
}

struct Version {
    data: Doc,
    description: Option<String>,
    created: Timestamp,
    creator: String,
}

/// Creates a template with its first version.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let name = input::required(input, "LaunchTemplateName")?;
    let now = world.now();
    let mut state = world.lock();
    let id = format!("lt-{}", state.hex(17));
    let templates = &mut state.site(&scope.site).ec2.templates;
    if templates.values().any(|template| template.name == name) {
        let code = "InvalidLaunchTemplateName.AlreadyExistsException";
        return Err(ApiError::new(code, "Launch template name already in use."));
    }
    let template = Template {
        id: id.clone(),
        name: name.to_owned(),
        created: now,
        creator: scope.caller.clone(),
        default: 1,
        versions: vec![version(scope, input, now)],
    };
    let answer = doc! { "launchTemplate" => template_doc(&template) };
    templates.insert(id, template);
    Ok(answer)
}

/// Adds a version. It is not the default until it is made so.
pub(super) fn create_version(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let now = world.now();
    let mut state = world.lock();
    let templates = &mut state.site(&scope.site).ec2.templates;
    let id = find(templates.values(), input)?.id.clone();
    let template = templates.get_mut(&id).ok_or_else(|| no_such_id(&id))?;
    template.versions.push(version(scope, input, now));
    Ok(doc! { "launchTemplateVersion" => version_doc(template, template.versions.len()) })
}

/// Makes another version the default one.
pub(super) fn modify(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let templates = &mut state.site(&scope.site).ec2.templates;
    let id = find(templates.values(), input)?.id.clone();
    let template = templates.get_mut(&id).ok_or_else(|| no_such_id(&id))?;
    let wanted = input.text("SetDefaultVersion").or_else(|| input.text("DefaultVersion"));
    if let Some(wanted) = wanted {
        template.default = number(template, wanted)?;
    }
    Ok(doc! { "launchTemplate" => template_doc(template) })
}

/// Deletes a template with all its versions.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let templates = &mut state.site(&scope.site).ec2.templates;
    let template = find(templates.values(), input)?;
    let (id, answer) = (template.id.clone(), doc! { "launchTemplate" => template_doc(template) });
    templates.remove(&id);
    Ok(answer)
}

/// Describes templates, all or those named.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (ids, names) = (input.texts("LaunchTemplateId"), input.texts("LaunchTemplateName"));
    let mut state = world.lock();
    let templates = &state.site(&scope.site).ec2.templates;
    for id in &ids {
        find(templates.values(), &doc! { "LaunchTemplateId" => id })?;
    }
    for name in &names {
        find(templates.values(), &doc! { "LaunchTemplateName" => name })?;
    }
    let all = ids.is_empty() && names.is_empty();
    let chosen = templates.values().filter(|each| all || ids.contains(&each.id) || names.contains(&each.name));
    Ok(doc! { "launchTemplates" => chosen.map(template_doc).collect::<Vec<Doc>>() })
}

/// Describes versions of one template, all or those in `LaunchTemplateVersion` (`$Latest` and `$Default` too).
pub(super) fn describe_versions(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let mut state = world.lock();
    let template = find(state.site(&scope.site).ec2.templates.values(), input)?;
    let mut numbers = Vec::new();
    for wanted in input.texts("LaunchTemplateVersion") {
        numbers.push(number(template, &wanted)?);
    }
    if numbers.is_empty() {
        numbers = (1..=template.versions.len()).rev().collect();
    }
    let docs: Vec<Doc> = numbers.into_iter().map(|number| version_doc(template, number)).collect();
    Ok(doc! { "launchTemplateVersionSet" => docs })
}

/// The version that a specification (`LaunchTemplateId` or `LaunchTemplateName`, `Version`) means now.
pub(super) fn resolve(world: &Arc<World>, scope: &Scope, specification: &Doc) -> Reply {
    let mut state = world.lock();
    let template = find(state.site(&scope.site).ec2.templates.values(), specification)?;
    let number = number(template, specification.text("Version").unwrap_or("$Default"))?;
    Ok(version_doc(template, number))
}

fn find<'a>(mut templates: impl Iterator<Item = &'a Template>, input: &Doc) -> Result<&'a Template, ApiError> {
    match (input.text("LaunchTemplateId"), input.text("LaunchTemplateName")) {
        (Some(id), _) => templates.find(|template| template.id == id).ok_or_else(|| no_such_id(id)),
        (None, Some(name)) => templates.find(|template| template.name == name).ok_or_else(|| {
            let message = format!("The specified launch template, with template name {name}, does not exist.");
            ApiError::new("InvalidLaunchTemplateName.NotFoundException", message)
        }),
        (None, None) => {
            let message = "You must specify either launchTemplateId or launchTemplateName.";
            Err(ApiError::new("MissingParameter", message))
        }
    }
}

fn no_such_id(id: &str) -> ApiError {
    let message = format!("The specified launch template, with template ID {id}, does not exist.");
    ApiError::new("InvalidLaunchTemplateId.NotFound", message)
}

fn number(template: &Template, wanted: &str) -> Result<usize, ApiError> {
    let latest = template.versions.len();
    match wanted {
        "$Latest" => Ok(latest),
        "$Default" => Ok(template.default),
        text => text.parse().ok().filter(|number| (1..=latest).contains(number)).ok_or_else(|| {
            let message =
                format!("Could not find the specified version {text} for the launch template with ID {}.", template.id);
            ApiError::new("InvalidLaunchTemplateId.VersionNotFound", message)
        }),
    }
}

fn version(scope: &Scope, input: &Doc, now: Timestamp) -> Version {
    Version {
        data: as_answered(input.get("LaunchTemplateData")),
        description: input.text("VersionDescription").map(str::to_owned),
        created: now,
        creator: scope.caller.clone(),
    }
}

/// Requests write `ImageId` where answers write `imageId`.
fn as_answered(value: &Doc) -> Doc {
    match value {
        Doc::Null => doc! {},
        Doc::Map(members) => {
            Doc::Map(members.iter().map(|(name, value)| (lower_first(name), as_answered(value))).collect())
        }
        Doc::List(items) => Doc::List(items.iter().map(as_answered).collect()),
        scalar => scalar.clone(),
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|letter| letter.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

fn template_doc(template: &Template) -> Doc {
    doc! {
        "launchTemplateId" => &template.id,
        "launchTemplateName" => &template.name,
        "createTime" => template.created,
        "createdBy" => &template.creator,
        "defaultVersionNumber" => template.default,
        "latestVersionNumber" => template.versions.len(),
    }
}

fn version_doc(template: &Template, number: usize) -> Doc {
    let version = &template.versions[number - 1];
    doc! {
        "launchTemplateId" => &template.id,
        "launchTemplateName" => &template.name,
        "versionNumber" => number,
        "versionDescription" => version.description.as_ref(),
        "createTime" => version.created,
        "createdBy" => &version.creator,
        "defaultVersion" => number == template.default,
        "launchTemplateData" => version.data.clone(),
    }
}
