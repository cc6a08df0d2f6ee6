//! The handler: the file that a runtime loads, and the name in it that it calls.

use super::super::entry::shown;
use super::super::files::Kind;
use super::{Facts, Finding, Read, Tree, callback};

/// Runtimes by how they find what they call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Python,
    Node,
    Ruby,
    Java,
    DotNet,
    /// A program of its own, `bootstrap`.
    Provided,
    /// `go1.x`: the handler is the program.
    Go,
}

fn language(runtime: &str) -> Option<Language> {
    let names = [
        ("python", Language::Python),
        ("nodejs", Language::Node),
        ("ruby", Language::Ruby),
        ("java", Language::Java),
        ("dotnet", Language::DotNet),
        ("provided", Language::Provided),
        ("go1", Language::Go),
    ];
    names.into_iter().find(|(name, _)| runtime.starts_with(name)).map(|(_, language)| language)
}

/// Everything that keeps the runtime from calling the handler.
pub fn judge(tree: &Tree, read: &Read<'_>, facts: &Facts) -> Vec<Finding> {
    let Some(language) = language(&facts.runtime) else {
        if facts.runtime.is_empty() {
            return Vec::new();
        }
        let message = format!("the runtime {} is not known here, so nothing of the handler is checked", facts.runtime);
        return vec![Finding::warning(
            "function/runtime",
            message,
            "call the new version before traffic: `before_traffic`",
        )];
    };
    let call = Call { tree, read, facts };
    match language {
        Language::Python => call.python(),
        Language::Node => call.node(),
        Language::Ruby => call.ruby(),
        Language::Java => call.java(),
        Language::DotNet => call.dotnet(),
        Language::Provided => call.program("bootstrap"),
        Language::Go => call.program(&facts.handler),
    }
}

struct Call<'a> {
    tree: &'a Tree,
    read: &'a Read<'a>,
    facts: &'a Facts,
}

impl Call<'_> {
    fn is_there(&self, path: &str) -> bool {
        self.tree.get(path).is_some_and(|kept| kept.kind != Kind::Directory)
    }

    fn first(&self, paths: &[String]) -> Option<String> {
        paths.iter().find(|path| self.is_there(path)).cloned()
    }

    /// The handler is not there: surely, unless a layer brings it.
    fn missing(&self, wanted: &str) -> Vec<Finding> {
        let handler = &self.facts.handler;
        let name = wanted.rsplit('/').next().unwrap_or(wanted);
        let deeper = self.tree.keys().find(|path| path.rsplit('/').next() == Some(name));
        let help = match deeper {
            Some(path) => {
                let above = path.strip_suffix(name).unwrap_or("").trim_end_matches('/');
                format!("it lies at `{}`: ship `{}` itself, or set the handler to match", shown(path), shown(above))
            }
            None => "set the handler of the function to what the bundle has, or ship the file".to_owned(),
        };
        let message = format!("the handler {} needs `{}`, which is not in the bundle", shown(handler), shown(wanted));
        if self.facts.has_layers {
            let message = format!("{message}; one of its layers has to bring it");
            return vec![Finding::warning("function/handler-file", message, help)];
        }
        vec![Finding::error("function/handler-file", message, help)]
    }

    fn shapeless(&self, wanted: &str) -> Vec<Finding> {
        let message = format!("the handler {} is no {wanted}", shown(&self.facts.handler));
        vec![Finding::error("function/handler", message, format!("write {wanted} into the function's settings"))]
    }

    /// What can be said of a file that is there: whether the runtime may read it, and whether the name stands in it.
    fn file(&self, path: &str, name: &str, elsewhere: &[&str]) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.unreadable(path).into_iter().collect();
        let Some(text) = (self.read)(path) else { return found };
        let text = String::from_utf8_lossy(&text);
        if !name.is_empty() && !has_word(&text, name) && !elsewhere.iter().any(|mark| text.contains(mark)) {
            let message =
                format!("`{}` has no `{}`, which the handler {} names", shown(path), shown(name), self.facts.handler);
            let help = "set the handler of the function to a name that is there";
            found.push(Finding::error("function/handler-name", message, help));
        }
        found
    }

    /// Calls are made by a user that owns nothing of the bundle.
    fn unreadable(&self, path: &str) -> Option<Finding> {
        let mode = self.tree.get(path)?.mode.filter(|mode| mode & 0o004 == 0)?;
        let message = format!("`{}` has the mode {mode:04o}: the runtime may not read it", shown(path));
        Some(Finding::error("function/mode", message, format!("chmod a+r {} before it is packed", shown(path))))
    }

    fn python(&self) -> Vec<Finding> {
        let Some((module, name)) = self.facts.handler.rsplit_once('.') else {
            return self.shapeless("file.function");
        };
        let path = module.replace('.', "/");
        let path = path.trim_start_matches('/');
        let paths = [format!("{path}.py"), format!("{path}/__init__.py"), format!("{path}.pyc")];
        match self.first(&paths) {
            Some(found) if found.ends_with(".pyc") => Vec::new(),
            Some(found) => self.file(&found, name, &["import *", "globals(", "setattr(", "__getattr__", "exec("]),
            // A module in machine code has its version and machine in its name.
            None if self.tree.keys().any(|it| it.starts_with(&format!("{path}.")) && it.ends_with(".so")) => Vec::new(),
            None => self.missing(&paths[0]),
        }
    }

    fn node(&self) -> Vec<Finding> {
        let (root, last) = self.facts.handler.rsplit_once('/').unwrap_or(("", &self.facts.handler));
        let Some((module, name)) = last.split_once('.') else { return self.shapeless("file.function") };
        let base = if root.is_empty() { module.to_owned() } else { format!("{root}/{module}") };
        let base = base.trim_start_matches("./").trim_start_matches('/').to_owned();
        let suffixes = ["", ".js", ".mjs", ".cjs", "/index.js", "/package.json"];
        let mut paths: Vec<String> = suffixes.iter().map(|suffix| format!("{base}{suffix}")).collect();
        paths.extend([".js", "/index.js", "/package.json"].map(|suffix| format!("node_modules/{module}{suffix}")));
        match self.first(&paths) {
            Some(found) if found.ends_with("package.json") => Vec::new(),
            Some(found) => {
                let name = name.split('.').next().unwrap_or(name);
                let elsewhere = ["require(", "export *", "import ", "import{", "import*", "__export", "Object.assign("];
                let mut findings = self.file(&found, name, &elsewhere);
                findings.extend(callback::deprecated(&found, name, self.read, &self.facts.runtime));
                findings
            }
            None => self.missing(&paths[1]),
        }
    }

    fn ruby(&self) -> Vec<Finding> {
        let Some((file, name)) = self.facts.handler.split_once('.') else { return self.shapeless("file.method") };
        let path = format!("{}.rb", file.trim_start_matches("./"));
        if !self.is_there(&path) {
            return self.missing(&path);
        }
        let method = name.rsplit('.').next().unwrap_or(name);
        self.file(&path, method, &["require", "load ", "define_method", "method_missing"])
    }

    fn java(&self) -> Vec<Finding> {
        let class = self.facts.handler.split("::").next().unwrap_or_default();
        let path = format!("{}.class", class.replace('.', "/"));
        let is_jar = |path: &&String| path.starts_with("lib/") && path.ends_with(".jar");
        let in_a_jar = || {
            let mut jars = self.tree.keys().filter(is_jar);
            jars.any(|jar| (self.read)(jar).is_none_or(|bytes| super::super::archive::has(&bytes, &path)))
        };
        if self.is_there(&path) {
            return self.unreadable(&path).into_iter().collect();
        }
        if in_a_jar() { Vec::new() } else { self.missing(&path) }
    }

    fn dotnet(&self) -> Vec<Finding> {
        let assembly = self.facts.handler.split("::").next().unwrap_or_default();
        let path = format!("{assembly}.dll");
        if self.is_there(&path) { self.unreadable(&path).into_iter().collect() } else { self.missing(&path) }
    }

    /// A program that the service starts itself.
    fn program(&self, path: &str) -> Vec<Finding> {
        let Some(kept) = self.tree.get(path).filter(|kept| kept.kind != Kind::Directory) else {
            return self.missing(path);
        };
        let mut found = Vec::new();
        if kept.mode.is_some_and(|mode| mode & 0o001 == 0) {
            let message = format!("`{path}` cannot be executed: Runtime.InvalidEntrypoint");
            found.push(Finding::error("function/bootstrap", message, format!("chmod +x {path} before it is packed")));
        }
        let is_text = kept.kind == Kind::File && kept.machine.is_none();
        if is_text && !kept.is_script {
            let message = format!("`{path}` is neither a program for Linux nor a script that begins with `#!`");
            let help = "build it for Linux, or begin it with a line #!/bin/sh";
            found.push(Finding::error("function/bootstrap", message, help));
        }
        if let Some(machine) = kept.machine.filter(|machine| !machine.runs_on(&self.facts.architecture)) {
            let message =
                format!("`{path}` is built for {}, and the function is {}", machine.name(), self.facts.architecture);
            let help = format!("build it for Linux on {}", self.facts.architecture);
            found.push(Finding::error("function/architecture", message, help));
        }
        found
    }
}

/// Whether a name stands in a text as a word.
fn has_word(text: &str, word: &str) -> bool {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_inside) && !after.is_some_and(is_inside)
    })
}
