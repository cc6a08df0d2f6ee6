//! What a person does about credentials that have ended.

use std::collections::BTreeMap;

use super::ci::System;
use crate::report::commands::quoted;

/// Which credentials these are, as far as the surroundings tell: a profile's, a role's, the environment's.
pub fn whose(role: Option<&str>, env: &BTreeMap<String, String>) -> String {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let from = match (set("AWS_PROFILE"), set("AWS_ACCESS_KEY_ID")) {
        (_, Some(_)) => " of AWS_ACCESS_KEY_ID".to_owned(),
        (Some(profile), None) => format!(" of profile {}", quoted(profile)),
        (None, None) => String::new(),
    };
    let to = role.map(|role| format!(", with which {role} is assumed,")).unwrap_or_default();
    format!("the credentials{from}{to}")
}

/// What to do so that they work again.
pub fn renewal(ci: System, env: &BTreeMap<String, String>) -> String {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    match (ci, set("AWS_ACCESS_KEY_ID"), set("AWS_PROFILE")) {
        (System::GitHub, _, _) => {
            "log the job in again (a session lasts as long as its `role-duration-seconds`), then resume".to_owned()
        }
        (_, Some(_), _) => {
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew, then resume".to_owned()
        }
        (_, None, Some(profile)) => format!("aws sso login --profile {}", quoted(profile)),
        (_, None, None) => "aws sso login".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_whose_credentials_and_what_to_type() {
        let role = "arn:aws:iam::111122223333:role/shipit";
        let both = [("AWS_PROFILE", "prod admin"), ("AWS_ACCESS_KEY_ID", "AKIA1")];
        for (set, ci, wanted) in [
            (&both[..0], System::None, "the credentials|aws sso login"),
            (&both[..1], System::None, "the credentials of profile 'prod admin'|aws sso login --profile 'prod admin'"),
            (&both[..], System::None, "the credentials of AWS_ACCESS_KEY_ID|set AWS_ACCESS_KEY_ID"),
            (&both[..], System::GitHub, "the credentials of AWS_ACCESS_KEY_ID|log the job in again"),
        ] {
            let env = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let said = format!("{}|{}", whose(None, &env), renewal(ci, &env));
            assert!(said.starts_with(wanted), "{said}");
        }
        let said = whose(Some(role), &BTreeMap::new());
        assert_eq!(said, format!("the credentials, with which {role} is assumed,"));
    }
}
