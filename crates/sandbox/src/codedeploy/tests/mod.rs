//! Whole deployments in virtual time: a load balancer, an Auto Scaling group of model hosts, bundles in S3.

mod agent;
mod alarms;
mod blue_green;
mod failures;
mod in_place;
mod losses;
mod operations;
mod play;
mod rolling;
mod rounding;
mod suspension;
mod terminations;
