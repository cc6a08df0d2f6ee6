//! The reference page.

use serde_json::Value as Json;

use super::{Row, besides, named, resolved, rows, variants};

const INTRODUCTION: &str = "\
<!-- Made from the types in src/model/pipeline.rs; change them, and run `UPDATE=1 cargo test --lib config`. -->

# The pipeline file

A pipeline is a YAML file, `pipelines/NAME.yml`: what is shipped, where to, and how it is watched.
[annotated.yml](../pipelines/annotated.yml) shows every key at its place. `shipit validate` checks any number of files
without asking AWS anything and says everything that is wrong at once; `--output json` is for editors. `shipit schema`
prints the JSON Schema, which is also [here](pipeline.schema.json); with this first line an editor completes keys and marks
mistakes while you type:

```yaml
# yaml-language-server: $schema=../docs/pipeline.schema.json
```

Times have a unit (`90s`, `5m`, `1h30m`, `2d`), shares a percent sign (`90%`). A file is at most 1 MiB and one document.

";

const REST: &str = "
## Environments that differ

An environment is the pipeline with its `overrides` merged in: maps key by key, values and lists are replaced, `null`
removes a key, and of a choice (such as `strategy`) another variant replaces the whole. An override that points to
nothing is an error.

```yaml
environments:
  staging:
    account: \"111122223333\"
    region: ap-northeast-2
    vars: { team: shop-staging }
    overrides:
      targets: { web: { health: { bake: 1m, alarms: null } } }
```

## Variables

Text may hold variables; a value is never read as YAML again. Inside brackets it must stand in quotes.

| Variable | Stands for | May stand in |
|---|---|---|
| `${vars.NAME}` | an entry of the environment's `vars`, else of the pipeline's | any text |
| `${env.NAME}` | an environment variable of whoever runs shipit | any text |
| `${release}` | the label of `--release` | an artifact's `path` |
| `${git.sha}`, `${git.branch}` | what is checked out | an artifact's `path` |
| `$${` | the characters `${` | any text |

One that is not set is an error at its place, as far as a command needs it: `status`, `promote` and `abort` need no more
than the store and the environment. Names, numbers and choices hold no variables; use `overrides`. Secrets never come this
way: variables whose name says that they hold one (`…_TOKEN`, `…_PASSWORD`, `AWS_SECRET_ACCESS_KEY`) are refused.
";

/// The page.
pub fn page(root: &Json) -> String {
    let mut page = INTRODUCTION.to_owned();
    section(root, root, "", &mut page);
    page + REST
}

/// A table for a map, then one for each map in it.
fn section(root: &Json, map: &Json, path: &str, page: &mut String) {
    let title = if path.is_empty() { "The pipeline".to_owned() } else { format!("`{path}`") };
    *page += &format!("## {title}\n\n");
    if let Some(meaning) = map["description"].as_str() {
        *page += &format!("{meaning}\n\n");
    }
    table(root, map, "", page);
    for row in rows(root, map) {
        inner(root, &row, path, page);
    }
}

fn table(root: &Json, map: &Json, without: &str, page: &mut String) {
    *page += "| Key | Meaning | Value | Default |\n|---|---|---|---|\n";
    for row in rows(root, map).iter().filter(|row| row.key != without) {
        let instead = row.instead().map(|key| format!(" Instead of `{key}`.")).unwrap_or_default();
        let default = match row.default() {
            _ if row.is_required => "required".to_owned(),
            Some(default) if !row.field["default"].is_object() => format!("`{default}`"),
            _ => "–".to_owned(),
        };
        let meaning = row.meaning().replace('|', "\\|");
        *page += &format!("| `{}` | {meaning}{instead} | {} | {default} |\n", row.key, value(root, row.field));
    }
    *page += "\n";
}

fn inner(root: &Json, row: &Row<'_>, path: &str, page: &mut String) {
    let path = if path.is_empty() { row.key.to_owned() } else { format!("{path}.{}", row.key) };
    let item = resolved(root, &row.target["items"]);
    if row.target["properties"].is_object() {
        section(root, row.target, &path, page);
    } else if let Some(map) = named(root, row.target).filter(|map| map["properties"].is_object()) {
        section(root, map, &format!("{path}.NAME"), page);
    } else if item["properties"].is_object() {
        section(root, item, &format!("{path}[]"), page);
    }
    for (key, _, settings) in variants(row.target) {
        if let Some(map) = settings.map(|settings| resolved(root, settings)).filter(|map| map["properties"].is_object())
        {
            section(root, map, &format!("{path}.{key}"), page);
        }
    }
    for (choice, key) in besides(row.target) {
        *page += &format!("Beside `{path}.{key}`:\n\n");
        table(root, choice, key, page);
    }
}

/// What a value looks like.
fn value(root: &Json, field: &Json) -> String {
    let target = resolved(root, field);
    let most = |keyword: &str| target[keyword].as_u64();
    match (target["type"].as_str(), target["format"].as_str()) {
        (_, Some("period")) => "a time: `5m`".to_owned(),
        (_, Some("percent")) => "a share: `90%`".to_owned(),
        (_, Some("hosts")) => "a share or a count: `75%`, `3`".to_owned(),
        (_, Some("name")) => "a name: lower-case letters, digits, single dashes".to_owned(),
        (_, Some("overrides")) => "a map".to_owned(),
        (Some("boolean"), _) => "`true` or `false`".to_owned(),
        (Some("integer"), _) => match (most("minimum"), most("maximum")) {
            (Some(least), Some(most)) if least == most => format!("`{least}`"),
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            _ => "a whole number".to_owned(),
        },
        (Some("array"), _) => {
            let items = value(root, &target["items"]);
            let items = if items == "text" { "texts".to_owned() } else { format!("of {items}") };
            let most = most("maxItems").map(|most| format!(", at most {most}")).unwrap_or_default();
            if items == "texts" { format!("a list of texts{most}") } else { format!("a list {items}{most}") }
        }
        (Some("string"), _) => match target["pattern"].as_str() {
            Some(pattern) => format!("text like `{}`", pattern.replace('|', "\\|")),
            None => "text".to_owned(),
        },
        (Some("object"), _) if target["patternProperties"].is_object() => "a map of names".to_owned(),
        (Some("object"), _) => "a map".to_owned(),
        _ => {
            let shown = variants(target)
                .into_iter()
                .map(|(key, meaning, _)| format!("`{key}`: {}", meaning.trim_end_matches('.').replace('|', "\\|")));
            shown.collect::<Vec<_>>().join("; ")
        }
    }
}
