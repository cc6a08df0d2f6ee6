//! The one entry: signature, protocol, faults, dispatch.

mod auth;
mod gateway;
mod protocol;
mod serve;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{DATE, HOST, HeaderValue};
use http::{Request, Response};
use jiff::Timestamp;

use super::calls::Call;
use super::faults::{Action, Disturbance, Rule};
use super::sts::Credentials;
use super::world::{ApiError, Scope, Settings, Site, World};
use super::{balancer, lambda, s3, sts};
use auth::Caller;
pub(super) use auth::is_region;
use gateway::Instead;
use protocol::{Operation, Protocol};

/// The embedded AWS behind one function.
#[derive(Clone)]
pub struct Sandbox {
    /// What it is about.
    pub world: Arc<World>,
}

/// The connection breaks without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl Sandbox {
    /// An empty AWS.
    pub fn new(settings: Settings) -> Sandbox {
        Sandbox { world: World::new(settings) }
    }

    /// Adds a user of an account, whose key may then sign requests.
    pub fn add_user(&self, account: &str, name: &str) -> Credentials {
        sts::add_user(&mut self.world.lock(), account, name)
    }

    /// Adds a rule about what goes wrong on the wire.
    pub fn add_fault(&self, rule: Rule) {
        self.world.lock().faults.add(rule);
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// How many calls were disturbed by rules.
    pub fn faults_hit(&self) -> u64 {
        self.world.lock().faults.hit()
    }

    /// How often each `service:Operation` was called by a user and the sessions that go back to it.
    pub fn calls(&self, access_key: &str) -> BTreeMap<String, u64> {
        self.world.lock().calls.of(access_key)
    }

    /// The last calls of everyone, in their order.
    pub fn call_log(&self) -> Vec<Call> {
        self.world.lock().calls.log()
    }

    /// Returns once a rule holds a call; at once if one was held since the last time.
    pub async fn held(&self) {
        let signals = self.world.lock().faults.signals();
        signals.held.notified().await;
    }

    /// Lets the calls go on that are held now.
    pub fn release(&self) {
        let signals = self.world.lock().faults.signals();
        signals.released.notify_waiters();
    }

    /// Answers one request, from a socket or in-process. A request whose authority is a load balancer's goes there;
    /// every other is for the service that its signature names.
    ///
    /// # Errors
    /// A fault broke the connection; whether the request took effect is not said.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        let authority = authority(&request);
        if let Some(response) = balancer::answer(&self.world, &authority, &request).await {
            return Ok(response);
        }
        let id = {
            let state = &mut *self.world.lock();
            state.calls.next_id(&mut state.rng)
        };
        let now = self.world.wire.now();
        let checked = auth::check(&request, &self.world.lock().identities, now);
        let mut response = match checked {
            Ok(caller) if caller.service == "s3" => self.object_storage(caller, &authority, &request, id).await?,
            Ok(caller) => self.service(&caller, &request, id).await?,
            Err(refusal) => self::refuse(&request, refusal, id),
        };
        stamp(&mut response, now);
        Ok(response)
    }

    /// How large the body of a request may be that comes over a socket; or the answer to one that nothing of which is to be
    /// read.
    fn most_bytes(&self, parts: &http::request::Parts) -> Result<usize, Box<Response<Bytes>>> {
        let request = Request::from_parts(parts.clone(), Bytes::new());
        if balancer::is_at(&self.world, &authority(&request)) {
            return Ok(balancer::MAX_BODY);
        }
        let now = self.world.wire.now();
        // The state is let go before it is asked for once more.
        let checked = auth::check_head(&request, &self.world.lock().identities, now);
        checked.map_err(|refusal| {
            let id = {
                let state = &mut *self.world.lock();
                state.calls.next_id(&mut state.rng)
            };
            let mut response = self::refuse(&request, refusal, id);
            stamp(&mut response, now);
            Box::new(response)
        })
    }

    async fn service(&self, caller: &Caller, request: &Request<Bytes>, id: u128) -> Result<Response<Bytes>, Dropped> {
        let protocol = Protocol::of(request, Some(&caller.service));
        let operation = match protocol.read(request, &caller.service) {
            Ok(operation) => operation,
            Err(error) => return Ok(protocol.refuse("", &error, id)),
        };
        let refuse = |error: ApiError| protocol.refuse(&operation.name, &error, id);
        let resource = operation.input.text("FunctionName").filter(|_| matches!(protocol, Protocol::Rest(_)));
        let disturbance = self.note(caller, &operation.name, resource.unwrap_or_default().to_owned());
        if let Some(instead) = self.disturb(disturbance.before, protocol).await? {
            return Ok(instead.of(None, id, refuse));
        }
        let site = Site { account: caller.identity.account.clone(), region: caller.region.clone() };
        let scope = Scope { site, caller: caller.identity.arn.clone() };
        let response = match caller.service.as_str() {
            "lambda" if operation.name == lambda::INVOKE => self.invocation(protocol, &scope, &operation, id).await,
            "sts" => {
                let reply = sts::call_with_key(&self.world, &scope, &caller.key, &operation.name, &operation.input);
                protocol.answer(&operation.name, &reply, id)
            }
            service => {
                let reply = self.world.call(&scope, service, &operation.name, &operation.input);
                protocol.answer(&operation.name, &reply, id)
            }
        };
        match self.disturb(disturbance.after, protocol).await? {
            Some(instead) => Ok(instead.of(Some(response), id, refuse)),
            None => Ok(response),
        }
    }

    /// An invocation takes its time, and its answer is the function's.
    async fn invocation(&self, protocol: Protocol, scope: &Scope, operation: &Operation, id: u128) -> Response<Bytes> {
        let (payload, id_text) = (operation.payload.clone(), protocol::uuid(id));
        match lambda::invoke(&self.world, scope, &operation.input, payload, &id_text).await {
            Ok(invoked) => protocol.raw(invoked.status, invoked.body, &invoked.headers, &id_text),
            Err(error) => protocol.refuse(&operation.name, &error, id),
        }
    }

    async fn object_storage(
        &self,
        caller: Caller,
        authority: &str,
        request: &Request<Bytes>,
        id: u128,
    ) -> Result<Response<Bytes>, Dropped> {
        let ask = match s3::Ask::new(request, authority, &caller.identity.account, &caller.region) {
            Ok(ask) => ask.signed_with(caller.seed.clone()),
            Err(error) => return Ok(s3::refuse(request, error, id)),
        };
        let disturbance = self.note(&caller, &ask.operation.name(), ask.resource());
        let refuse = |error: ApiError| s3::refuse(request, error.into(), id);
        if let Some(instead) = self.disturb(disturbance.before, Protocol::S3).await? {
            return Ok(instead.of(None, id, refuse));
        }
        let response = s3::answer(&self.world, &ask, id);
        match self.disturb(disturbance.after, Protocol::S3).await? {
            Some(instead) => Ok(instead.of(Some(response), id, refuse)),
            None => Ok(response),
        }
    }

    /// Counts a call and decides what is to go wrong with it.
    fn note(&self, caller: &Caller, operation: &str, resource: String) -> Disturbance {
        let mut call = Call {
            at: self.world.now(),
            service: caller.service.clone(),
            operation: operation.to_owned(),
            resource,
            caller: caller.identity.owner.clone(),
            fault: None,
        };
        let state = &mut *self.world.lock();
        let disturbance = state.faults.strike(&mut state.rng, &call);
        call.fault = disturbance.name();
        state.calls.add(call);
        disturbance
    }

    async fn disturb(&self, action: Option<Action>, protocol: Protocol) -> Result<Option<Instead>, Dropped> {
        match action {
            None => Ok(None),
            Some(Action::Throttle) => Ok(Some(Instead::Error(protocol.throttled()))),
            Some(Action::Unavailable(status)) => Ok(Some(Instead::Error(protocol.unavailable(status)))),
            Some(Action::Error(error)) => Ok(Some(Instead::Error(error))),
            Some(Action::Gateway(page)) => Ok(Some(Instead::Page(page))),
            Some(Action::Half) => Ok(Some(Instead::Half)),
            Some(Action::Drop) => Err(Dropped),
            Some(Action::Hold) => {
                let signals = self.world.lock().faults.signals();
                let released = signals.released.notified();
                signals.held.notify_one();
                released.await;
                Ok(None)
            }
        }
    }
}

/// Where a request is for: its `Host` header, or the URI of in-process clients.
fn authority(request: &Request<Bytes>) -> String {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    header.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default().to_ascii_lowercase()
}

/// Writes what was wrong with a request before any service saw it.
fn refuse(request: &Request<Bytes>, refusal: auth::Refusal, id: u128) -> Response<Bytes> {
    let service = super::wire::signature::claim(request).ok().map(|claim| claim.service);
    match Protocol::of(request, service.as_deref()) {
        Protocol::S3 => s3::refuse(request, refusal, id),
        protocol => protocol.refuse("", &refusal.into(), id),
    }
}

/// The date is wire time, because clients correct the dates of their signatures by it.
fn stamp(response: &mut Response<Bytes>, now: Timestamp) {
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(DATE, date);
    }
}
