//! Commands that a person can paste.

use super::Subject;
use crate::model::Period;
use crate::model::task::longest;

/// The longest wait before blue is terminated.
pub(super) const LONGEST_TERMINATION_WAIT: Period = Period::minutes(2800);
/// The longest wait for traffic to be moved.
const LONGEST_READY_WAIT: Period = Period::hours(48);

impl Subject<'_> {
    /// The least wait before CodeDeploy gives green up: an approval's time, or an hour for shipit to notice.
    pub(super) fn least_ready_wait(&self) -> Period {
        let tasks = longest(&self.target.before_traffic);
        self.approval().map_or((tasks + Period::minutes(30)).max(Period::hours(1)), |approval| approval + tasks)
    }

    /// The least wait before CodeDeploy terminates blue: what is watched and kept, and half an hour in case of trouble.
    pub(super) fn least_termination_wait(&self) -> Period {
        self.watched_after() + self.keep_blue() + Period::minutes(30)
    }

    /// The bake, and what is done after it.
    pub(in crate::plan) fn watched_after(&self) -> Period {
        self.target.health.bake + longest(&self.target.after)
    }

    /// The beginning of every command that changes the deployment group. The Auto Scaling group has to be sent again
    /// whenever the blue/green settings are, and is kept by it otherwise.
    pub(super) fn update_group(&self) -> String {
        let scaling_group = match self.fleet.group.scaling_groups.as_slice() {
            [one] => quoted(one),
            _ => "AUTO-SCALING-GROUP".to_owned(),
        };
        format!(
            "aws deploy update-deployment-group --region {} --application-name {} \
             --current-deployment-group-name {} --auto-scaling-groups {scaling_group}",
            quoted(&self.environment.region),
            quoted(&self.group.application),
            quoted(&self.group.deployment_group),
        )
    }

    /// The command that makes a group fit for rolling.
    pub(super) fn make_in_place(&self) -> String {
        let option = match self.fleet.group.target_groups.as_slice() {
            [] => "WITHOUT_TRAFFIC_CONTROL",
            [..] => "WITH_TRAFFIC_CONTROL",
        };
        format!("{} --deployment-style deploymentType=IN_PLACE,deploymentOption={option}", self.update_group())
    }

    /// The command that makes a group fit for blue/green. What fits already is sent as it is.
    pub(super) fn make_blue_green(&self) -> String {
        self.make_blue_green_that_keeps(self.least_termination_wait())
    }

    /// The same, with so much time before blue is terminated.
    pub(super) fn make_blue_green_that_keeps(&self, least: Period) -> String {
        let group = &self.fleet.group;
        let kept = |has: &Option<(String, i64)>, word: &str| {
            let minutes = has.as_ref().filter(|(action, _)| action == word).map_or(0, |(_, minutes)| *minutes);
            Period::minutes(u64::try_from(minutes).unwrap_or(0))
        };
        let room = |least: Period| least + Period::hours(1);
        let ready =
            wide_enough(kept(&group.ready, "STOP_DEPLOYMENT"), self.least_ready_wait(), room, LONGEST_READY_WAIT);
        let termination =
            wide_enough(kept(&group.termination, "TERMINATE"), least, |least| least, LONGEST_TERMINATION_WAIT);
        let style = if group.deployment_type == "BLUE_GREEN" && group.traffic_option == "WITH_TRAFFIC_CONTROL" {
            ""
        } else {
            " --deployment-style deploymentType=BLUE_GREEN,deploymentOption=WITH_TRAFFIC_CONTROL"
        };
        let (ready, termination) = (ready.as_minutes_up(), termination.as_minutes_up());
        let settings = [
            format!(r#""deploymentReadyOption":{{"actionOnTimeout":"STOP_DEPLOYMENT","waitTimeInMinutes":{ready}}}"#),
            r#""terminateBlueInstancesOnDeploymentSuccess":{"action":"TERMINATE","#.to_owned()
                + &format!(r#""terminationWaitTimeInMinutes":{termination}}}"#),
            r#""greenFleetProvisioningOption":{"action":"COPY_AUTO_SCALING_GROUP"}"#.to_owned(),
        ];
        let settings = format!("{{{}}}", settings.join(","));
        format!("{}{style} --blue-green-deployment-configuration {}", self.update_group(), quoted(&settings))
    }
}

fn wide_enough(has: Period, least: Period, suggested: impl Fn(Period) -> Period, most: Period) -> Period {
    if has >= least && has <= most { has } else { suggested(least).min(most) }
}

/// A word as a POSIX shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_a_shell() {
        for (word, expected) in [
            ("web", "web"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
            ("ünï", "'ünï'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
