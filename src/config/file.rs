//! A pipeline's file, and the pipeline that it is in each of its environments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::{Name, Pipeline};
use crate::yaml::{self, Node, Problem, Problems, Read, Span, Value};

use super::merge::merge;
use super::respell::Respelled;
use super::shape::Walk;
use super::variables::{Facts, Need, Variables};
use super::{check, schema, source, typed};

/// A pipeline's file, read but not yet resolved.
#[derive(Clone, Debug)]
pub struct File {
    name: String,
    text: String,
    node: Node,
    problems: Vec<Problem>,
    doubtful: Vec<Span>,
    /// Names that are none, and what they are called instead.
    names: BTreeMap<String, String>,
}

/// More environments than anybody has; each is a pipeline of its own, so their number is what a file can cost.
const ENVIRONMENTS: usize = 50;
/// So many problems of one environment are kept; fewer are shown.
const PROBLEMS: usize = 1000;

/// From so many bytes on, environments are looked at side by side.
const LARGE: usize = 64 << 10;
/// At most so many at a time: each is a copy of the whole file.
const SIDE_BY_SIDE: usize = 4;

/// What the file is in one environment.
struct View<T> {
    environment: String,
    kept: Option<T>,
    problems: Vec<Problem>,
}

impl File {
    /// Reads a text. `name` is what it is called in messages, usually its path.
    ///
    /// # Errors
    /// It is not YAML, so there is nothing else to say about it.
    pub fn parse(text: &str, name: &str) -> Result<File, Problems> {
        let Read { mut node, mut problems, doubtful } = yaml::read(text, name)?;
        let mut respelled = Respelled::default();
        respelled.tree(schema::shared(), schema::shared(), &mut node);
        problems.append(&mut respelled.problems);
        if let Some(all) = node.entry("environments").filter(|all| all.value.entries().len() > ENVIRONMENTS) {
            let message = format!("more than {ENVIRONMENTS} environments");
            problems.push(Problem::at(all.key.span, message).help("split the pipeline; each file has its own"));
        }
        Ok(File { name: name.to_owned(), text: text.to_owned(), node, problems, doubtful, names: respelled.names })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read or is not YAML.
    pub fn load(path: &Path, name: &str) -> Result<File, Problems> {
        let text = source::read(path).map_err(|problem| Problems::whole(name, problem))?;
        File::parse(&text, name)
    }

    /// The environments' names, in the order of the file.
    pub fn environments(&self) -> Vec<&str> {
        let environments = self.node.get("environments").map(Node::entries).unwrap_or_default();
        environments.iter().map(|entry| entry.key.text.as_str()).collect()
    }

    /// Whether the file asks what is checked out.
    pub fn asks_git(&self) -> bool {
        self.text.contains("${git.")
    }

    /// The environment variables that it asks for.
    pub fn env_names(&self) -> BTreeSet<&str> {
        self.text.split("${env.").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    /// The pipeline in each of its environments.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn pipelines(&self, facts: &Facts, need: Need) -> Result<BTreeMap<Name, Pipeline>, Problems> {
        let kept = self.each(facts, need, |name, pipeline| Some((Name::new(name).ok()?, pipeline)))?;
        Ok(kept.into_iter().flatten().collect())
    }

    /// What is to be kept of the pipeline of each environment.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn each<T: Send>(
        &self,
        facts: &Facts,
        need: Need,
        keep: impl Fn(&str, Pipeline) -> T + Sync,
    ) -> Result<Vec<T>, Problems> {
        let views = self.views(facts, |_| need, &keep);
        self.refused(&views)?;
        Ok(views.into_iter().filter_map(|view| view.kept).collect())
    }

    /// The pipeline in one environment; of the others, what is not known does not matter.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or it has no such environment.
    pub fn pipeline(&self, environment: &str, facts: &Facts, need: Need) -> Result<Pipeline, Problems> {
        let needed = |name: &str| if name == environment { need } else { Need::Nothing };
        let views = self.views(facts, needed, |name, pipeline| (name == environment).then_some(pipeline));
        self.refused(&views)?;
        let found = views.into_iter().find_map(|view| view.kept.flatten());
        found.ok_or_else(|| {
            Problems::whole(&self.name, Problem::whole(format!("there is no environment `{environment}`")))
        })
    }

    fn views<T: Send>(
        &self,
        facts: &Facts,
        need: impl Fn(&str) -> Need + Sync,
        keep: impl Fn(&str, Pipeline) -> T + Sync,
    ) -> Vec<View<T>> {
        let mut environments = self.environments();
        environments.truncate(ENVIRONMENTS);
        if environments.is_empty() {
            environments.push("");
        }
        let view = |name: &str| {
            let (pipeline, mut problems) = self.view(name, facts, need(name));
            problems.truncate(PROBLEMS);
            View { environment: name.to_owned(), kept: pipeline.map(|pipeline| keep(name, pipeline)), problems }
        };
        side_by_side(&environments, self.text.len() >= LARGE, view)
    }

    fn view(&self, environment: &str, facts: &Facts, need: Need) -> (Option<Pipeline>, Vec<Problem>) {
        let root = schema::shared();
        let mut node = self.node.clone();
        let own = self.node.get("environments").and_then(|all| all.get(environment));
        only(&mut node, environment);
        let merged = match own.and_then(|own| own.get("overrides")) {
            Some(overrides) => merge(root, &mut node, overrides),
            None => super::merge::Merged::default(),
        };
        let vars = [self.node.get("vars"), own.and_then(|own| own.get("vars"))];
        let vars = vars.into_iter().flatten().flat_map(Node::entries);
        let vars = vars.map(|entry| (entry.key.text.as_str(), &entry.value)).collect();
        let variables = Variables { vars, facts, need };
        let mut walk = Walk::new(root, &self.text, &variables);
        walk.renamed.clone_from(&self.names);
        walk.pipeline(&mut node);
        let mut problems = merged.problems;
        problems.append(&mut walk.problems);
        let mut unknown = walk.unknown;
        if !merged.replaced.is_empty() {
            let variables = Variables { need: Need::Nothing, ..variables };
            let mut walk = Walk::new(root, &self.text, &variables);
            merged.replaced.into_iter().for_each(|(node, schema, key)| walk.hidden(node, schema, &key));
            problems.append(&mut walk.problems);
        }
        let pipeline = match typed::pipeline(&node) {
            Ok(pipeline) => {
                let mut known: Vec<Span> = self.problems.iter().chain(&problems).filter_map(|it| it.span).collect();
                known.append(&mut unknown);
                // What stands in for something wrong or not known is not judged.
                let is_new =
                    |problem: &Problem| !problem.span.is_some_and(|span| known.iter().any(|it| meet(*it, span)));
                let mut found = check::problems(&pipeline, &node);
                found.extend(check::after(&pipeline, &node, &self.node));
                problems.extend(found.into_iter().filter(is_new));
                Some(pipeline)
            }
            Err(problem) if problems.is_empty() && self.problems.is_empty() => {
                problems.push(problem);
                None
            }
            Err(_) => None,
        };
        (pipeline, problems)
    }

    /// All problems of all environments; what is one mistake in several is said once.
    fn refused<T>(&self, views: &[View<T>]) -> Result<(), Problems> {
        let mut said: BTreeMap<&Problem, Vec<&str>> = BTreeMap::new();
        for view in views {
            let is_doubtful =
                |problem: &&Problem| problem.span.is_some_and(|span| self.doubtful.iter().any(|it| meet(*it, span)));
            for problem in view.problems.iter().filter(|problem| !is_doubtful(problem)) {
                said.entry(problem).or_default().push(&view.environment);
            }
        }
        let mut problems = self.problems.clone();
        for (problem, mut environments) in said {
            let mut problem = problem.clone();
            environments.dedup();
            if environments.len() < views.len() && !self.is_of(problem.span, &environments) {
                problem.message = format!("in {}: {}", yaml::list(&environments), problem.message);
            }
            problems.push(problem);
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(&self.name, &self.text, problems)) }
    }

    /// Whether a place stands in the environment that is meant, so that nobody has to say which.
    fn is_of(&self, span: Option<Span>, environments: &[&str]) -> bool {
        let (Some(span), [environment]) = (span, environments) else { return false };
        let all = self.node.get("environments").map(Node::entries).unwrap_or_default();
        let begins = |key: &str| all.iter().find(|entry| entry.key.text == key).map(|entry| entry.key.span.start);
        let after =
            all.iter().map(|entry| entry.key.span.start).filter(|start| Some(*start) > begins(environment)).min();
        let rest = self.node.entries().iter().map(|entry| entry.key.span.start);
        let rest = rest.filter(|start| Some(*start) > begins(environment)).min();
        begins(environment).is_some_and(|begins| span.start >= begins)
            && [after, rest].into_iter().flatten().all(|end| span.start < end)
    }
}

/// What is made of each name, in their order.
fn side_by_side<T: Send>(names: &[&str], is_large: bool, make: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let at_once = std::thread::available_parallelism().map_or(1, |count| count.get().min(SIDE_BY_SIDE));
    if !is_large || names.len() < 2 || at_once < 2 {
        return names.iter().map(|name| make(name)).collect();
    }
    let mut made = Vec::new();
    for some in names.chunks(at_once) {
        let make = &make;
        // This thread takes the first itself, and whatever no thread is left for.
        made.extend(std::thread::scope(|scope| {
            let start = |name: &&'_ str| {
                let name = (*name).to_owned();
                std::thread::Builder::new().spawn_scoped(scope, move || make(&name)).ok()
            };
            let started: Vec<_> = some.iter().skip(1).map(start).collect();
            let first = make(some[0]);
            let rest = started.into_iter().zip(&some[1..]).map(|(thread, name)| match thread.map(|it| it.join()) {
                Some(Ok(made)) => made,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                None => make(name),
            });
            std::iter::once(first).chain(rest).collect::<Vec<T>>()
        }));
    }
    made
}

/// Leaves one environment, without its overrides.
fn only(node: &mut Node, environment: &str) {
    let Value::Map(entries) = &mut node.value else { return };
    let Some(environments) = entries.iter_mut().find(|entry| entry.key.text == "environments") else { return };
    let Value::Map(all) = &mut environments.value.value else { return };
    all.retain(|entry| entry.key.text == environment);
}

fn meet(one: Span, other: Span) -> bool {
    one.start < other.end.max(other.start + 1) && other.start < one.end.max(one.start + 1)
}
