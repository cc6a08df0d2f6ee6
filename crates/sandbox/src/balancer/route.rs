//! Which target a request goes to.

use super::super::elb::nouns::{Action, Condition, Health, TargetGroup};
use super::super::world::{Site, State};

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It goes to a target.
    Target(Way),
    /// The listener answers by itself.
    Fixed { status: u16, content_type: Option<String>, body: String },
    /// No target is registered, or no target group has a weight.
    NoTarget { load_balancer: String },
    /// The listener is gone.
    Closed,
}

/// The way of a request; names are ARNs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub load_balancer: String,
    pub target_group: String,
    pub instance: String,
    pub port: u16,
}

/// Chooses: the first rule that fits, then a target group by weight, then the next of its healthy targets. If none is
/// healthy, all that are registered take turns (it fails open). Draining targets get nothing.
pub(super) fn choose(state: &mut State, site: &Site, listener: &str, host: &str, path: &str) -> Route {
    let store = &mut state.site(site).elb;
    let mut rules: Vec<_> = store.rules.values_mut().filter(|rule| rule.listener == listener).collect();
    rules.sort_by_key(|rule| rule.priority);
    let rule = rules.into_iter().find(|rule| rule.conditions.iter().all(|each| fits(each, host, path)));
    let Some(listener) = store.listeners.get_mut(listener) else { return Route::Closed };
    let load_balancer = listener.load_balancer.clone();
    let action = rule.map_or(&mut listener.action, |rule| &mut rule.action);
    let target_group = match action {
        Action::Fixed { status, content_type, body } => {
            return Route::Fixed { status: *status, content_type: content_type.clone(), body: body.clone() };
        }
        Action::Forward(shares) => {
            let total: i64 = shares.iter().map(|share| share.weight).sum();
            shares.iter_mut().for_each(|share| share.owed += share.weight);
            // The first of those who are owed most.
            let next = shares.iter_mut().rev().filter(|share| share.weight > 0).max_by_key(|share| share.owed);
            let Some(next) = next else { return Route::NoTarget { load_balancer } };
            next.owed -= total;
            next.target_group.clone()
        }
    };
    match store.target_groups.get_mut(&target_group).and_then(next_target) {
        Some((instance, port)) => Route::Target(Way { load_balancer, target_group, instance, port }),
        None => Route::NoTarget { load_balancer },
    }
}

fn next_target(group: &mut TargetGroup) -> Option<(String, u16)> {
    let registered = || group.targets.iter().filter(|(_, target)| target.state != Health::Draining);
    let healthy: Vec<_> = registered().filter(|(_, target)| target.state == Health::Healthy).collect();
    let candidates = if healthy.is_empty() { registered().collect() } else { healthy };
    let (key, _) = candidates.get(group.turn % candidates.len().max(1))?;
    let key = (*key).clone();
    group.turn = group.turn.wrapping_add(1);
    Some(key)
}

fn fits(condition: &Condition, host: &str, path: &str) -> bool {
    match condition {
        Condition::Path(patterns) => patterns.iter().any(|pattern| matches(pattern, path)),
        Condition::Host(patterns) => {
            let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
            patterns.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &host))
        }
    }
}

/// Whether a text fits a pattern in which `*` is any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // fits[i]: whether the pattern so far fits the first i characters.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for wanted in pattern {
        if wanted == '*' {
            (1..fits.len()).for_each(|i| fits[i] |= fits[i - 1]);
        } else {
            for i in (1..fits.len()).rev() {
                fits[i] = fits[i - 1] && (wanted == '?' || wanted == text[i - 1]);
            }
            fits[0] = false;
        }
    }
    fits[text.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let cases = [
            ("/img/*", "/img/a.png", true),
            ("/img/*", "/im", false),
            ("*.example.com", "a.example.com", true),
            ("/?", "/a", true),
            ("/?", "/", false),
            ("*", "", true),
            ("/a*b*c", "/aXbYc", true),
            ("/a*b*c", "/aXcYb", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
