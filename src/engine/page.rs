//! Asking for a page, with headers that may be secret.

use crate::aws::{Clients, Result};
use crate::model::condition::HttpCondition;
use crate::probe::{Prober, Trouble};

/// Asks once. Whoever is asked with a secret that was rotated meanwhile refuses it: then the page is asked for once more
/// with the new one, before anything is made of the answer.
///
/// # Errors
/// A secret cannot be read.
pub async fn ask(
    prober: &Prober,
    clients: &Clients,
    origin: &str,
    request: &HttpCondition,
) -> Result<std::result::Result<(), Trouble>> {
    let headers = clients.headers(&request.headers).await?;
    let answer = prober.ask(origin, request, &headers).await;
    if !matches!(answer, Err(Trouble::Answer(_))) {
        return Ok(answer);
    }
    clients.forget_headers(&request.headers);
    match clients.headers(&request.headers).await {
        Ok(renewed) if renewed != headers => Ok(prober.ask(origin, request, &renewed).await),
        Ok(_) | Err(_) => Ok(answer),
    }
}
