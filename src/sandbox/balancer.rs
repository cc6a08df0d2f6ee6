//! What load balancers do with requests.

use std::sync::Arc;

use bytes::Bytes;

use super::world::World;

/// Answers a request in-process if `authority` is a listener's.
pub async fn answer(
    _world: &Arc<World>,
    _authority: &str,
    _request: &http::Request<Bytes>,
) -> Option<http::Response<Bytes>> {
    None
}
