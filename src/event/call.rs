//! What a call to AWS that changes something is, by what it does and to what. Whether a call was made already is told by
//! this and never by how it is worded.

use serde::{Deserialize, Serialize};

use crate::model::Percent;

/// A call, without what only one attempt at it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallKind {
    /// Creates the deployment of the new revision, or finds it again.
    CreateDeployment,
    /// Makes the deployment configuration, or finds that it is there.
    EnsureConfig,
    /// Compares green with blue.
    Compare,
    /// Ends the wait before traffic moves.
    MoveTraffic {
        /// `d-…`.
        deployment: String,
    },
    /// Ends the wait before blue is terminated.
    LetBlueGo {
        /// `d-…`.
        deployment: String,
    },
    /// Looks whether a create whose answer was lost has made a deployment.
    FindDeployment,
    /// Stops a deployment and rolls it back.
    StopDeployment {
        /// `d-…`.
        deployment: String,
    },
    /// Creates a deployment of the baseline, or finds it again.
    DeployBaseline,
    /// Takes an instance of a green group out of the load balancer.
    TakeOut {
        /// The Auto Scaling group.
        group: String,
    },
    /// Deletes a green group that serves nobody.
    DeleteLeftover {
        /// The Auto Scaling group.
        group: String,
    },
    /// Puts the bundle into `$LATEST`.
    UpdateCode,
    /// Publishes `$LATEST`.
    PublishVersion,
    /// Calls a version and compares its answer.
    TestVersion {
        /// The version.
        version: String,
        /// The place of the call in its step.
        place: usize,
        /// Counts from 1.
        round: u32,
        /// Of how many.
        times: u32,
        /// What people call it.
        name: String,
    },
    /// Does something around the traffic.
    Task {
        /// What people call it.
        name: String,
        /// Counts from 1.
        round: u32,
        /// Of how many.
        times: u32,
    },
    /// Makes the alias.
    CreateAlias {
        /// Where all calls go.
        version: String,
    },
    /// Deletes the alias that the run has made.
    DeleteAlias,
    /// Sends the alias's calls to a version, and a share of them to another.
    ShiftAlias {
        /// The version.
        version: String,
        /// The other, and its share.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
    },
    /// Deletes an old version that nobody uses.
    PruneVersions,
    /// Puts the baseline's code back into `$LATEST`.
    RestoreCode,
}

/// A version and its share of an alias's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The version.
    pub version: String,
    /// Its share.
    pub weight: Percent,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These stand in journals.
    #[test]
    fn kinds_are_written_as_ever() {
        let deployment = || "d-1".to_owned();
        let share = Some(Share { version: "42".into(), weight: Percent::whole(5) });
        for (kind, written) in [
            (CallKind::CreateDeployment, r#"{"kind":"create_deployment"}"#),
            (CallKind::EnsureConfig, r#"{"kind":"ensure_config"}"#),
            (CallKind::Compare, r#"{"kind":"compare"}"#),
            (CallKind::MoveTraffic { deployment: deployment() }, r#"{"kind":"move_traffic","deployment":"d-1"}"#),
            (CallKind::LetBlueGo { deployment: deployment() }, r#"{"kind":"let_blue_go","deployment":"d-1"}"#),
            (CallKind::FindDeployment, r#"{"kind":"find_deployment"}"#),
            (CallKind::StopDeployment { deployment: deployment() }, r#"{"kind":"stop_deployment","deployment":"d-1"}"#),
            (CallKind::DeployBaseline, r#"{"kind":"deploy_baseline"}"#),
            (CallKind::TakeOut { group: "g".into() }, r#"{"kind":"take_out","group":"g"}"#),
            (CallKind::DeleteLeftover { group: "g".into() }, r#"{"kind":"delete_leftover","group":"g"}"#),
            (CallKind::UpdateCode, r#"{"kind":"update_code"}"#),
            (CallKind::PublishVersion, r#"{"kind":"publish_version"}"#),
            (
                CallKind::TestVersion { version: "42".into(), place: 0, round: 1, times: 2, name: "e.json".into() },
                r#"{"kind":"test_version","version":"42","place":0,"round":1,"times":2,"name":"e.json"}"#,
            ),
            (
                CallKind::Task { name: "smoke".into(), round: 1, times: 1 },
                r#"{"kind":"task","name":"smoke","round":1,"times":1}"#,
            ),
            (CallKind::CreateAlias { version: "1".into() }, r#"{"kind":"create_alias","version":"1"}"#),
            (CallKind::ShiftAlias { version: "42".into(), share: None }, r#"{"kind":"shift_alias","version":"42"}"#),
            (
                CallKind::ShiftAlias { version: "41".into(), share },
                r#"{"kind":"shift_alias","version":"41","share":{"version":"42","weight":"5%"}}"#,
            ),
            (CallKind::PruneVersions, r#"{"kind":"prune_versions"}"#),
            (CallKind::RestoreCode, r#"{"kind":"restore_code"}"#),
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), written);
            assert_eq!(serde_json::from_str::<CallKind>(written).unwrap(), kind);
        }
    }
}
