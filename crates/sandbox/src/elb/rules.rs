//! Rules: which requests of a listener get another action than the default one.

use std::sync::Arc;

use super::super::doc::{Doc, doc};
use super::super::input::{self, invalid};
use super::super::world::{ApiError, Reply, Scope, World};
use super::listeners::wake;
use super::nouns::{Action, Condition, Rule, Share};
use super::{Store, no_such_listener, no_such_target_group, tags};

/// Creates a rule.
pub(super) fn create(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let listener = input::required(input, "ListenerArn")?;
    let priority = input::within(input, "Priority", 1, 50000)?.and_then(|number| u16::try_from(number).ok());
    let priority = priority.ok_or_else(|| invalid("A rule priority must be specified"))?;
    let conditions = conditions(input.list("Conditions"))?;
    let mut state = world.lock();
    let suffix = state.hex(16);
    let store = &mut state.site(&scope.site).elb;
    let balancer = store.listeners.get(listener).ok_or_else(no_such_listener)?.load_balancer.clone();
    if store.rules.values().any(|rule| rule.listener == listener && rule.priority == priority) {
        return Err(ApiError::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
    }
    let action = action(store, &balancer, input.list("Actions"))?;
    wake(store, &action);
    let arn = format!("{}/{suffix}", listener.replacen(":listener/", ":listener-rule/", 1));
    let rule = Rule { arn: arn.clone(), listener: listener.to_owned(), priority, conditions, action };
    let answer = doc! { "Rules" => vec![rule_doc(&rule)] };
    tags::put(store, &arn, input.list("Tags"));
    store.rules.insert(arn, rule);
    Ok(answer)
}

/// Describes the rules of a listener, the default one last, or those named.
pub(super) fn describe(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let (of, arns) = (input.text("ListenerArn"), input.texts("RuleArns"));
    let mut state = world.lock();
    let store = &state.site(&scope.site).elb;
    let mut rules: Vec<&Rule> = store
        .rules
        .values()
        .filter(|rule| of.is_none_or(|of| rule.listener == of) && (arns.is_empty() || arns.contains(&rule.arn)))
        .collect();
    rules.sort_by_key(|rule| rule.priority);
    let mut docs: Vec<Doc> = rules.into_iter().map(rule_doc).collect();
    if let Some(listener) = of {
        let listener = store.listeners.get(listener).ok_or_else(no_such_listener)?;
        let arn = format!("{}/default", listener.arn.replacen(":listener/", ":listener-rule/", 1));
        docs.push(doc! {
            "RuleArn" => arn,
            "Priority" => "default",
            "Conditions" => Vec::<Doc>::new(),
            "Actions" => vec![action_doc(&listener.action)],
            "IsDefault" => true,
        });
    } else if docs.len() < arns.len() || arns.is_empty() {
        return Err(no_such_rule());
    }
    let size = input::page_size(input, "PageSize", 400, 400)?;
    let (docs, next) = input::page(docs, input.text("Marker"), size)?;
    Ok(doc! { "Rules" => docs, "NextMarker" => next })
}

/// Changes a rule; what the input leaves out stays.
pub(super) fn modify(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "RuleArn")?;
    if arn.ends_with("/default") {
        return Err(ApiError::new("OperationNotPermitted", "Default rule '".to_owned() + arn + "' cannot be modified"));
    }
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    let listener = &store.rules.get(arn).ok_or_else(no_such_rule)?.listener;
    let balancer = store.listeners.get(listener).ok_or_else(no_such_listener)?.load_balancer.clone();
    let action = match input.list("Actions") {
        [] => None,
        actions => Some(action(store, &balancer, actions)?),
    };
    let conditions = match input.list("Conditions") {
        [] => None,
        some => Some(conditions(some)?),
    };
    action.iter().for_each(|action| wake(store, action));
    let rule = store.rules.get_mut(arn).ok_or_else(no_such_rule)?;
    rule.action = action.unwrap_or_else(|| rule.action.clone());
    rule.conditions = conditions.unwrap_or_else(|| rule.conditions.clone());
    Ok(doc! { "Rules" => vec![rule_doc(rule)] })
}

/// Deletes a rule.
pub(super) fn delete(world: &Arc<World>, scope: &Scope, input: &Doc) -> Reply {
    let arn = input::required(input, "RuleArn")?;
    let mut state = world.lock();
    let store = &mut state.site(&scope.site).elb;
    store.rules.remove(arn).ok_or_else(no_such_rule)?;
    store.tags.remove(arn);
    Ok(doc! {})
}

pub(super) fn no_such_rule() -> ApiError {
    ApiError::new("RuleNotFound", "One or more rules not found")
}

/// Reads the one action of a listener or rule of a load balancer.
pub(super) fn action(store: &Store, balancer: &str, actions: &[Doc]) -> Result<Action, ApiError> {
    let wrong = |message: &str| Err(ApiError::new("InvalidLoadBalancerAction", message));
    let [action] = actions else { return wrong("exactly one action must be specified") };
    match action.text("Type").unwrap_or_default() {
        "forward" => forward(store, balancer, action),
        "fixed-response" => {
            let config = action.get("FixedResponseConfig");
            let status = input::required(config, "StatusCode")?.parse().ok().filter(|code| (200..=599).contains(code));
            Ok(Action::Fixed {
                status: status.ok_or_else(|| invalid("The status code of a fixed response must be 2XX, 4XX or 5XX"))?,
                content_type: config.text("ContentType").map(str::to_owned),
                body: config.text("MessageBody").unwrap_or_default().to_owned(),
            })
        }
        _ => wrong("the sandbox knows the actions forward and fixed-response"),
    }
}

fn forward(store: &Store, balancer: &str, action: &Doc) -> Result<Action, ApiError> {
    let config = action.get("ForwardConfig");
    if config.get("TargetGroupStickinessConfig").bool("Enabled") == Some(true) {
        return Err(ApiError::new("InvalidLoadBalancerAction", "the sandbox's balancer has no sticky sessions"));
    }
    let mut shares = Vec::new();
    for tuple in config.list("TargetGroups") {
        let weight = input::within(tuple, "Weight", 0, 999)?.unwrap_or(1);
        shares.push(Share { target_group: input::required(tuple, "TargetGroupArn")?.to_owned(), weight, owed: 0 });
    }
    if let Some(only) = action.text("TargetGroupArn") {
        if shares.is_empty() {
            shares.push(Share { target_group: only.to_owned(), weight: 1, owed: 0 });
        } else if shares.len() > 1 || shares.iter().any(|share| share.target_group != only) {
            return Err(invalid("TargetGroupArn and ForwardConfig must name the same single target group"));
        }
    }
    if shares.is_empty() || shares.len() > 5 {
        return Err(ApiError::new("TooManyTargetGroups", "a forward action names one to five target groups"));
    }
    for Share { target_group, .. } in &shares {
        let group = store.target_groups.get(target_group).ok_or_else(no_such_target_group)?;
        if group.settings.protocol != "HTTP" {
            let message = "the sandbox's balancer speaks HTTP to its targets";
            return Err(ApiError::new("IncompatibleProtocols", message));
        }
        if store.load_balancer_of(target_group).is_some_and(|other| other != balancer) {
            let text = "The following target groups cannot be associated with more than one load balancer:";
            return Err(ApiError::new("TargetGroupAssociationLimit", format!("{text} {target_group}")));
        }
    }
    Ok(Action::Forward(shares))
}

fn conditions(docs: &[Doc]) -> Result<Vec<Condition>, ApiError> {
    let mut conditions = Vec::new();
    for doc in docs {
        let values = |config: &str| match doc.texts("Values") {
            values if values.is_empty() => doc.get(config).texts("Values"),
            values => values,
        };
        conditions.push(match doc.text("Field").unwrap_or_default() {
            "path-pattern" => Condition::Path(values("PathPatternConfig")),
            "host-header" => Condition::Host(values("HostHeaderConfig")),
            field => return Err(invalid(format!("Condition field '{field}' is not known here"))),
        });
    }
    if conditions.is_empty() { Err(invalid("A condition must be specified")) } else { Ok(conditions) }
}

/// An action as it is described: with one target group in both forms.
pub(super) fn action_doc(action: &Action) -> Doc {
    match action {
        Action::Forward(shares) => {
            let tuple = |share: &Share| doc! { "TargetGroupArn" => &share.target_group, "Weight" => share.weight };
            let only = (shares.len() == 1).then(|| &shares[0].target_group);
            doc! {
                "Type" => "forward",
                "TargetGroupArn" => only,
                "ForwardConfig" => doc! {
                    "TargetGroups" => shares.iter().map(tuple).collect::<Vec<Doc>>(),
                    "TargetGroupStickinessConfig" => doc! { "Enabled" => false },
                },
            }
        }
        Action::Fixed { status, content_type, body } => doc! {
            "Type" => "fixed-response",
            "FixedResponseConfig" => doc! {
                "StatusCode" => status.to_string(),
                "ContentType" => content_type.as_ref(),
                "MessageBody" => body,
            },
        },
    }
}

fn rule_doc(rule: &Rule) -> Doc {
    let condition = |condition: &Condition| match condition {
        Condition::Path(values) => {
            let config = doc! { "Values" => values.clone() };
            doc! { "Field" => "path-pattern", "Values" => values.clone(), "PathPatternConfig" => config }
        }
        Condition::Host(values) => {
            let config = doc! { "Values" => values.clone() };
            doc! { "Field" => "host-header", "Values" => values.clone(), "HostHeaderConfig" => config }
        }
    };
    doc! {
        "RuleArn" => &rule.arn,
        "Priority" => rule.priority.to_string(),
        "Conditions" => rule.conditions.iter().map(condition).collect::<Vec<Doc>>(),
        "Actions" => vec![action_doc(&rule.action)],
        "IsDefault" => false,
    }
}
