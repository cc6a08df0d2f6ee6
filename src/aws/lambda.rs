//! Reading functions, versions and aliases.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_lambda::types::{AliasRoutingConfiguration, FunctionConfiguration};

use super::Clients;
use super::error::{AwsError, Call, Class, Result, failed};
use crate::model::Percent;
use crate::model::function::FunctionRef;
use crate::model::lambda::{Alias, Code, LATEST, Settings, Version};

const GET: Call = ("lambda", "GetFunction");
const GET_ALIAS: Call = ("lambda", "GetAlias");
const VERSIONS: Call = ("lambda", "ListVersionsByFunction");
const ALIASES: Call = ("lambda", "ListAliases");

/// Most pages of a list that are read.
const PAGES: usize = 100;

impl Clients {
    /// Code and settings of `$LATEST` or of a version.
    ///
    /// # Errors
    /// The call's; `NotFound` if there is no such function or version.
    pub async fn code(&self, function: &str, version: &str) -> Result<Code> {
        let call = self.lambda.get_function().function_name(function);
        let call = if version == LATEST { call } else { call.qualifier(version) };
        let answer = call.send().await.map_err(failed(GET))?;
        answer
            .configuration()
            .map(code_of)
            .ok_or_else(|| AwsError::new(GET, Class::Transient, "the answer has no configuration"))
    }

    /// Where the alias sends its callers; nothing if there is no such alias.
    ///
    /// # Errors
    /// The call's.
    pub async fn alias(&self, of: &FunctionRef) -> Result<Option<Alias>> {
        let call = self.lambda.get_alias().function_name(&of.name).name(&of.alias);
        match call.send().await.map_err(failed(GET_ALIAS)) {
            Ok(answer) => Ok(Some(alias_of(answer.function_version(), answer.routing_config(), answer.revision_id()))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All published versions, oldest first.
    ///
    /// # Errors
    /// The calls'.
    pub async fn versions(&self, function: &str) -> Result<Vec<Version>> {
        let mut versions = Vec::new();
        let mut marker = None;
        for _ in 0..PAGES {
            let call = self.lambda.list_versions_by_function().function_name(function).set_marker(marker);
            let answer = call.send().await.map_err(failed(VERSIONS))?;
            versions.extend(answer.versions().iter().filter_map(|it| {
                let number = it.version()?.parse().ok()?;
                Some(Version { number, code_sha256: it.code_sha256().unwrap_or_default().to_owned() })
            }));
            marker = answer.next_marker().map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }

    /// The versions that aliases of the function use, by version.
    ///
    /// # Errors
    /// The calls'.
    pub async fn aliased(&self, function: &str) -> Result<BTreeMap<String, String>> {
        let mut used = BTreeMap::new();
        let mut marker = None;
        for _ in 0..PAGES {
            let call = self.lambda.list_aliases().function_name(function).set_marker(marker);
            let answer = call.send().await.map_err(failed(ALIASES))?;
            for it in answer.aliases() {
                let name = it.name().unwrap_or_default();
                let alias = alias_of(it.function_version(), it.routing_config(), it.revision_id());
                for version in alias.weights.into_keys().chain([alias.version]) {
                    used.insert(version, name.to_owned());
                }
            }
            marker = answer.next_marker().map(str::to_owned);
            if marker.is_none() {
                return Ok(used);
            }
        }
        // A version whose alias was not seen must not count as unused.
        Err(AwsError::new(ALIASES, Class::Refused, "the function has more aliases than can be read"))
    }
}

pub(super) fn alias_of(
    version: Option<&str>,
    routing: Option<&AliasRoutingConfiguration>,
    revision_id: Option<&str>,
) -> Alias {
    let weights = routing.and_then(AliasRoutingConfiguration::additional_version_weights);
    let weights = weights.into_iter().flatten().map(|(version, share)| (version.clone(), Percent::of_fraction(*share)));
    Alias {
        version: version.unwrap_or_default().to_owned(),
        weights: weights.collect(),
        revision_id: revision_id.unwrap_or_default().to_owned(),
    }
}

fn code_of(it: &FunctionConfiguration) -> Code {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Code {
        version: text(it.version()),
        state: text(it.state().map(|state| state.as_str())),
        state_reason: it.state_reason().map(str::to_owned),
        update: text(it.last_update_status().map(|status| status.as_str())),
        update_reason: it.last_update_status_reason().map(str::to_owned),
        code_sha256: text(it.code_sha256()),
        code_size: u64::try_from(it.code_size()).unwrap_or(0),
        revision_id: text(it.revision_id()),
        package: text(it.package_type().map(|package| package.as_str())),
        settings: settings_of(it),
    }
}

/// What a version keeps of `$LATEST`. States, ids and times are left out, and so is the description, which a version
/// may have of its own.
fn settings_of(it: &FunctionConfiguration) -> Settings {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            settings.insert(name.to_owned(), value);
        }
    };
    let owned = |value: Option<&str>| value.map(str::to_owned);
    set("runtime", owned(it.runtime().map(|runtime| runtime.as_str())));
    set("handler", owned(it.handler()));
    set("role", owned(it.role()));
    set("memory", it.memory_size().map(|size| size.to_string()));
    set("timeout", it.timeout().map(|seconds| seconds.to_string()));
    set("dead_letter", owned(it.dead_letter_config().and_then(|config| config.target_arn())));
    set("kms_key", owned(it.kms_key_arn()));
    set("tracing", owned(it.tracing_config().and_then(|tracing| tracing.mode()).map(|mode| mode.as_str())));
    set("storage", it.ephemeral_storage().map(|storage| storage.size().to_string()));
    set("snap_start", owned(it.snap_start().and_then(|snap| snap.apply_on()).map(|apply| apply.as_str())));
    let layers: Vec<&str> = it.layers().iter().filter_map(|layer| layer.arn()).collect();
    set("layers", Some(layers.join(" ")));
    let architectures: Vec<&str> = it.architectures().iter().map(|one| one.as_str()).collect();
    set("architecture", Some(architectures.join(" ")));
    let mounts: Vec<String> =
        it.file_system_configs().iter().map(|one| format!("{} {}", one.arn(), one.local_mount_path())).collect();
    set("file_systems", Some(mounts.join(" ")));
    if let Some(vpc) = it.vpc_config() {
        set("subnets", Some(sorted(vpc.subnet_ids())));
        set("security_groups", Some(sorted(vpc.security_group_ids())));
    }
    if let Some(logging) = it.logging_config() {
        set("log_format", owned(logging.log_format().map(|format| format.as_str())));
        set("log_group", owned(logging.log_group()));
        set("application_log_level", owned(logging.application_log_level().map(|level| level.as_str())));
        set("system_log_level", owned(logging.system_log_level().map(|level| level.as_str())));
    }
    let none = HashMap::new();
    for (name, value) in it.environment().and_then(|environment| environment.variables()).unwrap_or(&none) {
        settings.insert(format!("environment.{name}"), value.clone());
    }
    Settings(settings)
}

fn sorted(ids: &[String]) -> String {
    let mut ids = ids.to_vec();
    ids.sort();
    ids.join(" ")
}
