//! AppSpec files, with the agent's rules and texts.

use std::time::Duration;

use super::super::super::codedeploy::events::Event;
use super::DEFAULT_TIMEOUT;
use super::permissions::{self, Permission};
use super::yaml::Yaml;

/// The file's name at the root of a bundle.
pub const NAME: &str = "appspec.yml";

/// An AppSpec for instances.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AppSpec {
    /// What to copy.
    pub files: Vec<FileRule>,
    /// Scripts by event, in the file's order.
    pub hooks: Vec<(String, Vec<Script>)>,
    /// Modes and owners.
    pub permissions: Vec<Permission>,
    /// Given here it wins over what the deployment says.
    pub file_exists: Option<FileExists>,
}

/// An entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Relative to the archive's root; `/` is all of it.
    pub source: String,
    /// An absolute directory.
    pub destination: String,
}

/// A script of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Relative to the archive's root.
    pub location: String,
    /// The user to run it as.
    pub runas: Option<String>,
    /// Whether it is run through `sudo`.
    pub sudo: bool,
    /// How long it may run.
    pub timeout: Duration,
}

/// What Install does about a file that is there already and that it did not put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileExists {
    /// Fail.
    Disallow,
    /// Replace it.
    Overwrite,
    /// Leave it.
    Retain,
}

impl FileExists {
    /// As requests and AppSpec files write it.
    pub fn from_name(name: &str) -> Option<FileExists> {
        match name {
            "DISALLOW" => Some(FileExists::Disallow),
            "OVERWRITE" => Some(FileExists::Overwrite),
            "RETAIN" => Some(FileExists::Retain),
            _ => None,
        }
    }
}

const FAILED: &str = "The deployment failed because";

impl AppSpec {
    /// Reads a file.
    ///
    /// # Errors
    /// The agent's text.
    pub fn parse(text: &str) -> Result<AppSpec, String> {
        let yaml = Yaml::parse(text)?;
        if !matches!(yaml, Yaml::Map(_)) {
            return Err(format!(
                "{FAILED} the application specification file was empty. Make sure your AppSpec file defines at minimum \
                 the 'version' and 'os' properties."
            ));
        }
        let version = yaml.get("version");
        if !matches!(version, Yaml::Int(0)) && *version != Yaml::Float(0.0) {
            return Err(format!(
                "{FAILED} an invalid version value ({version}) was entered in the application specification file. Make \
                 sure your AppSpec file specifies \"0.0\" as the version, and then try again."
            ));
        }
        let os = yaml.get("os");
        if *os != Yaml::Text("linux".to_owned()) {
            return Err(format!(
                "{FAILED} the application specification file specifies an unsupported operating system ({os}). Specify \
                 either \"linux\" or \"windows\" in the os section of the application specification file, and then try \
                 again."
            ));
        }
        Ok(AppSpec {
            hooks: hooks(yaml.get("hooks"))?,
            files: files(yaml.get("files"))?,
            permissions: permissions::read(yaml.get("permissions"))?,
            file_exists: file_exists(yaml.get("file_exists_behavior"))?,
        })
    }

    /// The scripts of an event.
    pub fn scripts(&self, event: Event) -> &[Script] {
        self.hooks.iter().find(|(name, _)| name == event.name()).map_or(&[], |(_, scripts)| scripts)
    }

    /// Refuses hooks for events that do not exist. The agent looks only when it installs.
    ///
    /// # Errors
    /// The agent's text.
    pub fn check_events(&self, possible: &[String]) -> Result<(), String> {
        let unknown: Vec<&String> =
            self.hooks.iter().map(|(name, _)| name).filter(|name| !possible.contains(name)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!("appspec.yml file contains unknown lifecycle events: {unknown:?}"))
    }

    /// What the agent says when a bundle has no AppSpec.
    pub fn missing(archive: &str) -> String {
        format!(
            "The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at revision-relative \
             path \"{NAME}\". The revision was unpacked to directory \"{archive}\", and the AppSpec file was expected but \
             not found at path \"{archive}/{NAME}\". Consult the AWS CodeDeploy Appspec documentation for more information \
             at http://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file.html"
        )
    }
}

fn hooks(yaml: &Yaml) -> Result<Vec<(String, Vec<Script>)>, String> {
    let members = match yaml {
        Yaml::Null => return Ok(Vec::new()),
        Yaml::Map(members) => members,
        _ => return Err(format!("{FAILED} the hooks section of the application specification file is not a map.")),
    };
    members.iter().map(|(event, listed)| Ok((event.clone(), scripts(event, listed)?))).collect()
}

fn scripts(event: &str, yaml: &Yaml) -> Result<Vec<Script>, String> {
    match yaml {
        Yaml::List(items) => items.iter().map(script).collect(),
        _ => Err(format!("{FAILED} the hook {event} of the application specification file is not a list of scripts.")),
    }
}

fn script(yaml: &Yaml) -> Result<Script, String> {
    let location = yaml.get("location").to_string().trim().to_owned();
    if location.is_empty() {
        return Err(format!(
            "{FAILED} the application specification file specifies a script with no location value. Specify the location \
             in the hooks section of the AppSpec file, and then try again."
        ));
    }
    let timeout = match yaml.get("timeout") {
        Yaml::Null => Some(DEFAULT_TIMEOUT),
        other => other
            .to_string()
            .parse::<u32>()
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
    };
    let timeout = timeout.ok_or_else(|| {
        format!(
            "{FAILED} an invalid timeout value was provided for a script in the application specification file. Make \
             corrections in the hooks section of the AppSpec file, and then try again."
        )
    })?;
    let runas = Some(yaml.get("runas").to_string().trim().to_owned()).filter(|user| !user.is_empty());
    Ok(Script { location, runas, sudo: *yaml.get("sudo") == Yaml::Bool(true), timeout })
}

fn files(yaml: &Yaml) -> Result<Vec<FileRule>, String> {
    let items = match yaml {
        Yaml::Null => return Ok(Vec::new()),
        Yaml::List(items) => items,
        _ => return Err(format!("{FAILED} the files section of the application specification file is not a list.")),
    };
    items.iter().map(file).collect()
}

fn file(yaml: &Yaml) -> Result<FileRule, String> {
    let (source, destination) = (yaml.get("source").to_string(), yaml.get("destination").to_string());
    match (source.is_empty(), destination.is_empty()) {
        (false, false) => Ok(FileRule { source, destination }),
        (false, true) => Err(format!(
            "{FAILED} the application specification file specifies only a source file ({source}). Add the name of the \
             destination file to the files section of the AppSpec file, and then try again."
        )),
        (true, false) => Err(format!(
            "{FAILED} the application specification file specifies a destination file, but no source file. Update the \
             files section of the AppSpec file, and then try again."
        )),
        (true, true) => Err(format!(
            "{FAILED} a file mapping of the application specification file has neither a source nor a destination. Update \
             the files section of the AppSpec file, and then try again."
        )),
    }
}

fn file_exists(yaml: &Yaml) -> Result<Option<FileExists>, String> {
    if yaml.is_null() {
        return Ok(None);
    }
    FileExists::from_name(&yaml.to_string()).map(Some).ok_or_else(|| {
        format!(
            "{FAILED} an invalid file_exists_behavior value ({yaml}) was entered in the application specification file. \
             Make sure your AppSpec file specifies one of DISALLOW,OVERWRITE,RETAIN as the file_exists_behavior, and then \
             try again."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "version: 0.0\nos: linux\n";

    #[test]
    fn refusals() {
        let table = [
            ("", "application specification file was empty"),
            ("version: 0.1\nos: linux", "an invalid version value (0.1) was entered"),
            ("os: linux", "an invalid version value () was entered"),
            ("version: \"0.0\"\nos: linux", "an invalid version value (0.0) was entered"),
            ("version: 0.0", "an unsupported operating system ()"),
            ("version: 0.0\nos: windows", "an unsupported operating system (windows)"),
            (
                "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, timeout: 0}]}",
                "an invalid timeout value was provided",
            ),
            (
                "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, timeout: abc}]}",
                "an invalid timeout value",
            ),
            ("version: 0.0\nos: linux\nhooks: {AfterInstall: [{timeout: 5}]}", "a script with no location value"),
            ("version: 0.0\nos: linux\nhooks: {AfterInstall: {location: a}}", "is not a list of scripts"),
            ("version: 0.0\nos: linux\nfiles: [{source: x}]", "specifies only a source file (x). Add the name"),
            ("version: 0.0\nos: linux\nfiles: [{destination: /x}]", "a destination file, but no source file"),
            ("version: 0.0\nos: linux\nfile_exists_behavior: MAYBE", "an invalid file_exists_behavior value (MAYBE)"),
        ];
        for (text, expected) in table {
            let refused = AppSpec::parse(text).expect_err(text);
            assert!(refused.starts_with(FAILED) && refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn what_is_accepted() {
        for more in ["", "hooks:", "files:", "unknown: 1", "hooks: {AfterInstall: [{location: a, timeout: 3601}]}"] {
            AppSpec::parse(&format!("{HEAD}{more}")).expect(more);
        }
        let appspec = AppSpec::parse(&format!(
            "{HEAD}file_exists_behavior: RETAIN\nfiles: [{{source: /, destination: /srv}}]\n\
             hooks: {{ApplicationStart: [{{location: ' a.sh ', runas: app}}], Nonsense: []}}"
        ))
        .unwrap();
        let script = Script {
            location: "a.sh".to_owned(),
            runas: Some("app".to_owned()),
            sudo: false,
            timeout: DEFAULT_TIMEOUT,
        };
        assert_eq!(appspec.scripts(Event::ApplicationStart), [script]);
        assert_eq!(appspec.file_exists, Some(FileExists::Retain));
        let possible = super::super::super::super::codedeploy::events::possible();
        let refused = appspec.check_events(&possible).expect_err("an unknown event");
        assert_eq!(refused, r#"appspec.yml file contains unknown lifecycle events: ["Nonsense"]"#);
    }
}
