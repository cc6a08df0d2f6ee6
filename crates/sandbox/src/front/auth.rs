//! Whether a request may speak for whom it says: signature, scope, age, session.

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};

use super::protocol::Protocol;
use crate::s3;
use crate::sts::{Identities, Identity};
use crate::wire::query::iso;
use crate::wire::signature::{self, Claim, Mismatch, Seed, Unreadable};
use crate::world::ApiError;

/// A request whose signature is right.
pub struct Caller {
    /// Its access key.
    pub key: String,
    /// Who that is.
    pub identity: Identity,
    /// The region that it signed for.
    pub region: String,
    /// The service that it signed for.
    pub service: String,
    /// What signatures of the body's chunks build on.
    pub seed: Seed,
}

/// Verifies a request at a moment of the wire clock.
///
/// # Errors
/// The error that the service which the request is for would answer.
pub fn check(request: &Request<Bytes>, identities: &Identities, now: Timestamp) -> Result<Caller, Refusal> {
    verify(request, identities, now, true).map(|caller| caller.0)
}

/// Verifies what can be without the body: nobody may have gigabytes buffered whom the signature does not let in. What S3
/// signs are the headers, so its signatures are checked in full; how many bytes the body may have, otherwise.
///
/// # Errors
/// As of [`check`].
pub fn check_head(request: &Request<Bytes>, identities: &Identities, now: Timestamp) -> Result<usize, Refusal> {
    verify(request, identities, now, false).map(|caller| caller.1)
}

/// The largest body of any request: the largest object, and what framing it in chunks adds.
pub const MAX_BODY: usize = s3::MAX_SIZE + s3::MAX_SIZE / 64;
/// The largest of services other than S3: the code of a function, 50 MB in base64, and room.
const MAX_BODY_ELSEWHERE: usize = 96 << 20;

fn verify(
    request: &Request<Bytes>,
    identities: &Identities,
    now: Timestamp,
    has_body: bool,
) -> Result<(Caller, usize), Refusal> {
    if is_version_2(request) {
        let why = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
        return Err(ApiError::new("InvalidRequest", why).into());
    }
    let claim = signature::claim(request).map_err(|why| unreadable(why, Protocol::of(request, None)))?;
    let protocol = Protocol::of(request, Some(&claim.service));
    let refusals = Refusals { protocol, claim: &claim, now };
    let identity = identities.get(&claim.key).ok_or_else(|| refusals.unknown_key())?;
    refusals.session(identity)?;
    refusals.scope(super::protocol::intended(request))?;
    refusals.age()?;
    let unsigned = claim.unsigned(request);
    let is_s3 = matches!(protocol, Protocol::S3);
    if let Some(first) = unsigned.iter().find(|name| is_s3 || *name == "host") {
        let why = "There were headers present in the request which were not signed";
        return Err(refusals
            .refuse(Family::each("AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException"), why)
            .with("HeadersNotSigned", first));
    }
    let most = if is_s3 { MAX_BODY } else { MAX_BODY_ELSEWHERE };
    let payload = payload(request, &claim, is_s3, has_body)?;
    let verified = match payload {
        Some(payload) => claim.verify(request, &identity.secret, &payload),
        None => Ok(Seed::default()),
    };
    match verified {
        Ok(seed) => Ok((
            Caller { key: claim.key, identity: identity.clone(), region: claim.region, service: claim.service, seed },
            most,
        )),
        Err(mismatch) => Err(refusals.mismatch(&mismatch)),
    }
}

/// Whether a request to S3 is signed as it was before 2014, which no bucket made since 2020 takes.
fn is_version_2(request: &Request<Bytes>) -> bool {
    let is_signed = signature::text(request, "authorization").is_some_and(|text| text.starts_with("AWS "));
    let query = request.uri().query().unwrap_or_default();
    is_signed || (query.contains("AWSAccessKeyId=") && query.contains("Signature=") && query.contains("Expires="))
}

/// An error with the details that S3 gives.
pub type Refusal = s3::Error;

/// One error in the words of each family of services.
struct Family {
    s3: &'static str,
    query: &'static str,
    json: &'static str,
}

impl Family {
    const fn each(s3: &'static str, query: &'static str, json: &'static str) -> Family {
        Family { s3, query, json }
    }
}

fn unreadable(why: Unreadable, protocol: Protocol) -> Refusal {
    let missing = Family::each("AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException");
    let incomplete =
        Family::each("AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException");
    let (family, status, message) = match (why, protocol) {
        (Unreadable::Missing, Protocol::S3) => (missing, 403, "Access Denied".to_owned()),
        (Unreadable::Missing, Protocol::Query(_)) => {
            (missing, 403, "Request is missing Authentication Token".to_owned())
        }
        (Unreadable::Missing, Protocol::Rest(_)) => (missing, 403, "Missing Authentication Token".to_owned()),
        (Unreadable::Missing, _) => (missing, 400, "Missing Authentication Token".to_owned()),
        (Unreadable::Malformed(what), Protocol::S3) => {
            (incomplete, 400, format!("The authorization header is malformed; {what}"))
        }
        (Unreadable::Malformed(what), _) => (incomplete, 400, what),
    };
    refuse(protocol, family, status, message)
}

fn refuse(protocol: Protocol, family: Family, status: u16, message: impl Into<String>) -> Refusal {
    let code = match protocol {
        Protocol::S3 => family.s3,
        Protocol::Query(_) => family.query,
        Protocol::Json(_) | Protocol::Cbor | Protocol::Rest(_) => family.json,
    };
    ApiError::new(code, message).status(status).into()
}

/// What is signed for the body: its digest, or for S3 the word that says why it is not. `None` if that needs a body that
/// is not there yet.
fn payload(request: &Request<Bytes>, claim: &Claim, is_s3: bool, has_body: bool) -> Result<Option<String>, Refusal> {
    if !is_s3 {
        return Ok(has_body.then(|| signature::digest(request.body())));
    }
    const WORDS: [&str; 3] =
        ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"];
    let given = match (signature::text(request, "x-amz-content-sha256"), claim.expires) {
        (Some(given), _) => given,
        (None, Some(_)) => return Ok(Some(WORDS[0].to_owned())),
        (None, None) => {
            let why = "Missing required header for this request: x-amz-content-sha256";
            return Err(ApiError::new("InvalidRequest", why).into());
        }
    };
    if WORDS.contains(&given.as_str()) || given == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" {
        return Ok(Some(given));
    }
    if given.len() != 64 || !given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let why = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                   STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.";
        let refusal = Refusal::from(ApiError::new("InvalidArgument", why));
        return Err(refusal.with("ArgumentName", "x-amz-content-sha256").with("ArgumentValue", &given));
    }
    if !has_body {
        return Ok(Some(given));
    }
    let computed = signature::digest(request.body());
    if !computed.eq_ignore_ascii_case(&given) {
        let why = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        let refusal = Refusal::from(ApiError::new("XAmzContentSHA256Mismatch", why));
        return Err(refusal.with("ClientComputedContentSHA256", &given).with("S3ComputedContentSHA256", &computed));
    }
    Ok(Some(given))
}

struct Refusals<'a> {
    protocol: Protocol,
    claim: &'a Claim,
    now: Timestamp,
}

impl Refusals<'_> {
    /// JSON services answer these with 400, all others with 403.
    fn refuse(&self, family: Family, message: impl Into<String>) -> Refusal {
        let status = if matches!(self.protocol, Protocol::Json(_) | Protocol::Cbor) { 400 } else { 403 };
        refuse(self.protocol, family, status, message)
    }

    fn unknown_key(&self) -> Refusal {
        let message = match self.protocol {
            Protocol::S3 => "The AWS Access Key Id you provided does not exist in our records.",
            _ => "The security token included in the request is invalid.",
        };
        let family = Family::each("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException");
        self.refuse(family, message).with("AWSAccessKeyId", &self.claim.key)
    }

    fn session(&self, identity: &Identity) -> Result<(), Refusal> {
        let given = self.claim.token.as_deref();
        match (&identity.session, given) {
            (None, None) => Ok(()),
            (Some(session), Some(token)) if session.token == token && self.now < session.expires => Ok(()),
            (Some(session), Some(token)) if session.token == token => Err(match self.protocol {
                Protocol::S3 => Refusal::from(ApiError::new("ExpiredToken", "The provided token has expired."))
                    .with("Token-0", token),
                _ => {
                    let family = Family::each("ExpiredToken", "ExpiredToken", "ExpiredTokenException");
                    self.refuse(family, "The security token included in the request is expired")
                }
            }),
            (Some(_), None) => Err(self.unknown_key()),
            _ => Err(match self.protocol {
                Protocol::S3 => {
                    ApiError::new("InvalidToken", "The provided token is malformed or otherwise invalid.").into()
                }
                _ => self.unknown_key(),
            }),
        }
    }

    /// The scope must name the service that the request is for, and a region that AWS could have; whether it is the
    /// right one, S3 knows only with the bucket.
    fn scope(&self, intended: Option<&str>) -> Result<(), Refusal> {
        let family = Family::each("AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException");
        if let Some(service) = intended.filter(|service| *service != self.claim.service) {
            return Err(match self.protocol {
                Protocol::S3 => {
                    let why = format!(
                        "The authorization header is malformed; incorrect service \"{}\". This endpoint belongs to \
                         \"s3\".",
                        self.claim.service
                    );
                    ApiError::new("AuthorizationHeaderMalformed", why).into()
                }
                _ => self.refuse(family, format!("Credential should be scoped to correct service: '{service}'. ")),
            });
        }
        if is_region(&self.claim.region) {
            return Ok(());
        }
        Err(match self.protocol {
            Protocol::S3 => {
                let why = format!(
                    "The authorization header is malformed; the region '{}' is wrong; expecting 'us-east-1'",
                    self.claim.region
                );
                Refusal::from(ApiError::new("AuthorizationHeaderMalformed", why)).with("Region", "us-east-1")
            }
            _ => self.refuse(family, "Credential should be scoped to a valid region. "),
        })
    }

    fn age(&self) -> Result<(), Refusal> {
        if let Some(seconds) = self.claim.expires {
            return self.presigned(seconds);
        }
        let (claim, now) = (self.claim, self.now);
        let minutes = if matches!(self.protocol, Protocol::S3) { 15 } else { 5 };
        let allowed = SignedDuration::from_mins(minutes);
        let skew = now.duration_since(claim.at);
        if skew.abs() <= allowed {
            return Ok(());
        }
        if matches!(self.protocol, Protocol::S3) {
            let why = "The difference between the request time and the current time is too large.";
            return Err(Refusal::from(ApiError::new("RequestTimeTooSkewed", why).status(403))
                .with("RequestTime", &claim.date)
                .with("ServerTime", &iso(whole(now)))
                .with("MaxAllowedSkewMilliseconds", "900000"));
        }
        let basic = |at: Timestamp| at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let why = if skew > SignedDuration::ZERO {
            let limit = basic(now - allowed);
            format!("Signature expired: {} is now earlier than {limit} ({} - 5 min.)", claim.date, basic(now))
        } else {
            let limit = basic(now + allowed);
            format!("Signature not yet current: {} is still later than {limit} ({} + 5 min.)", claim.date, basic(now))
        };
        Err(self.refuse(Family::each("", "SignatureDoesNotMatch", "InvalidSignatureException"), why))
    }

    fn presigned(&self, seconds: i64) -> Result<(), Refusal> {
        if !(0..=604_800).contains(&seconds) {
            let why = if seconds < 0 {
                "X-Amz-Expires must be non-negative"
            } else {
                "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
                 604800 seconds"
            };
            return Err(ApiError::new("AuthorizationQueryParametersError", why).into());
        }
        let denied = |why: &str| Refusal::from(ApiError::new("AccessDenied", why).status(403));
        let until = self.claim.at + SignedDuration::from_secs(seconds);
        if self.now > until {
            return Err(denied("Request has expired")
                .with("X-Amz-Expires", &seconds.to_string())
                .with("Expires", &iso(until))
                .with("ServerTime", &iso(whole(self.now))));
        }
        if self.claim.at.duration_since(self.now) > SignedDuration::from_mins(15) {
            return Err(denied("Request is not valid yet").with("ServerTime", &iso(whole(self.now))));
        }
        Ok(())
    }

    fn mismatch(&self, mismatch: &Mismatch) -> Refusal {
        let family = Family::each("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException");
        if !matches!(self.protocol, Protocol::S3) {
            let why = "The request signature we calculated does not match the signature you provided. Check your AWS \
                       Secret Access Key and signing method. Consult the service documentation for details.";
            return self.refuse(family, why);
        }
        let why = "The request signature we calculated does not match the signature you provided. Check your key and \
                   signing method.";
        let bytes = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        self.refuse(family, why)
            .with("AWSAccessKeyId", &self.claim.key)
            .with("StringToSign", &mismatch.string_to_sign)
            .with("SignatureProvided", &self.claim.signature)
            .with("StringToSignBytes", &bytes(&mismatch.string_to_sign))
            .with("CanonicalRequest", &mismatch.canonical)
            .with("CanonicalRequestBytes", &bytes(&mismatch.canonical))
    }
}

/// Whether a name could be one of AWS's regions.
pub fn is_region(name: &str) -> bool {
    let mut parts = name.split('-');
    let areas = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn"];
    parts.next().is_some_and(|area| areas.contains(&area))
        && parts.next_back().is_some_and(|number| number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit()))
        && parts.clone().next().is_some()
        && parts.all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
