//! Auto Scaling processes that rest while a deployment in place runs.

use super::super::super::doc::{Doc, doc};
use super::work::{End, Work};

impl Work {
    /// Suspends what the deployment's terms name, on every Auto Scaling group of its group. What somebody else has
    /// suspended before stays his: it is neither suspended nor resumed here.
    pub(super) fn suspend(&self) -> Result<(), End> {
        let wanted = self.terms()?.suspend;
        if wanted.is_empty() {
            return Ok(());
        }
        for fleet in self.group(|group| group.fleets.clone())? {
            let Some(described) = self.describe(&fleet.name)? else { continue };
            let rests = |process: &String| {
                let suspended = described.list("SuspendedProcesses");
                suspended.iter().any(|it| it.text("ProcessName") == Some(process))
            };
            let own: Vec<String> = wanted.iter().filter(|process| !rests(process)).cloned().collect();
            if own.is_empty() {
                continue;
            }
            self.call("autoscaling", "SuspendProcesses", &processes(&fleet.name, &own))?;
            self.edit(|it| it.suspended.push((fleet.name, own)))?;
        }
        Ok(())
    }

    /// Resumes what this deployment suspended, however it ended. What cannot be resumed stays suspended, and a deployment
    /// that had succeeded has failed then. A group that is gone needs nothing.
    pub(super) fn resume(&self, outcome: Result<(), End>) -> Result<(), End> {
        if matches!(outcome, Err(End::Gone)) {
            return outcome;
        }
        let mut stuck = Ok(());
        for (fleet, own) in self.edit(|it| it.suspended.clone())? {
            if self.describe(&fleet).is_ok_and(|described| described.is_none()) {
                continue;
            }
            match self.call("autoscaling", "ResumeProcesses", &processes(&fleet, &own)) {
                Ok(_) => self.edit(|it| it.suspended.retain(|(name, _)| *name != fleet))?,
                Err(refused) => {
                    let list = own.join(", ");
                    let message =
                        format!("The processes {list} of the Auto Scaling group {fleet} could not be resumed.");
                    self.edit(|it| it.messages.push(message))?;
                    stuck = Err(refused);
                }
            }
        }
        outcome.and(stuck)
    }
}

fn processes(fleet: &str, names: &[String]) -> Doc {
    doc! { "AutoScalingGroupName" => fleet, "ScalingProcesses" => names.to_vec() }
}
