//! Signature version 4: what a request claims to be signed with, and whether that is so.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::percent;

/// The only algorithm that is accepted.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a request says about its signature. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The access key.
    pub key: String,
    /// The day in the scope, `YYYYMMDD`.
    pub day: String,
    /// The region in the scope.
    pub region: String,
    /// The service in the scope.
    pub service: String,
    /// Lower-case names of the signed headers, as given.
    pub signed_headers: Vec<String>,
    /// The signature, hexadecimal.
    pub signature: String,
    /// When it was signed, as given: `20261120T120000Z`.
    pub date: String,
    /// The same as a moment.
    pub at: Timestamp,
    /// The session token.
    pub token: Option<String>,
    /// For how many seconds a presigned URL is good; `None` for a header.
    pub expires: Option<i64>,
}

/// Why a claim cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The request is not signed at all.
    Missing,
    /// A part is missing or malformed; the text says which.
    Malformed(String),
}

/// A signature that was found right; chunks of the body are signed with the same key.
#[derive(Clone, Default)]
pub struct Seed {
    key: Vec<u8>,
    date: String,
    scope: String,
    signature: String,
}

/// A signature that is wrong, with what should have been signed, which S3 shows to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The canonical request.
    pub canonical: String,
    /// What its digest was signed as.
    pub string_to_sign: String,
}

/// Reads the claim from the `Authorization` header or from the query of a presigned URL.
///
/// # Errors
/// There is none, or it is malformed.
pub fn claim(request: &Request<Bytes>) -> Result<Claim, Unreadable> {
    let malformed = |what: &str| Unreadable::Malformed(what.to_owned());
    if let Some(header) = request.headers().get(http::header::AUTHORIZATION) {
        let header = header.to_str().map_err(|_| malformed("Authorization header is not text"))?;
        let (algorithm, fields) = header.split_once(' ').unwrap_or((header, ""));
        let field = |name: &str| {
            let fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            let value = fields.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            value.ok_or_else(|| malformed(&format!("Authorization header requires '{name}' parameter.")))
        };
        let date = text(request, "x-amz-date")
            .ok_or_else(|| malformed("Authorization header requires existence of a 'X-Amz-Date' header."))?;
        return assemble(Parts {
            algorithm: algorithm.to_owned(),
            credential: field("Credential")?,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
            date,
            token: text(request, "x-amz-security-token"),
            expires: None,
        });
    }
    let pairs: Vec<_> = percent::pairs(request.uri().query().unwrap_or_default()).collect();
    let parameter = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if parameter("X-Amz-Signature").is_none() && parameter("X-Amz-Algorithm").is_none() {
        return Err(Unreadable::Missing);
    }
    let required = |name: &str| parameter(name).ok_or_else(|| malformed(&format!("{name} is required")));
    let expires = required("X-Amz-Expires")?.parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
    assemble(Parts {
        algorithm: required("X-Amz-Algorithm")?,
        credential: required("X-Amz-Credential")?,
        signed_headers: required("X-Amz-SignedHeaders")?,
        signature: required("X-Amz-Signature")?,
        date: required("X-Amz-Date")?,
        token: parameter("X-Amz-Security-Token"),
        expires: Some(expires),
    })
}

struct Parts {
    algorithm: String,
    credential: String,
    signed_headers: String,
    signature: String,
    date: String,
    token: Option<String>,
    expires: Option<i64>,
}

fn assemble(parts: Parts) -> Result<Claim, Unreadable> {
    let malformed = |what: &str| Unreadable::Malformed(what.to_owned());
    if parts.algorithm != ALGORITHM {
        return Err(malformed(&format!("Unsupported algorithm '{}'", parts.algorithm)));
    }
    let scope: Vec<&str> = parts.credential.rsplitn(5, '/').collect();
    let [terminator, service, region, day, key] = scope[..] else {
        return Err(malformed(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
                              keyid/date/region/service/term",
        ));
    };
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", &parts.date).and_then(|at| at.to_zoned(TimeZone::UTC));
    let at = at.map_err(|_| malformed("Date must be in ISO-8601 'basic format'"))?.timestamp();
    if terminator != "aws4_request" {
        return Err(malformed("Credential should be scoped with a valid terminator: 'aws4_request'"));
    }
    if !parts.date.starts_with(day) || day.len() != 8 {
        return Err(malformed(&format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of \
                                       date from HTTP: '{day}' != '{}'",
            parts.date.get(..8).unwrap_or_default()
        )));
    }
    Ok(Claim {
        key: key.to_owned(),
        day: day.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        signed_headers: parts.signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
        signature: parts.signature,
        date: parts.date,
        at,
        token: parts.token,
        expires: parts.expires,
    })
}

impl Claim {
    /// The headers that have to be signed and are not: `host`, and every `x-amz-*` that is there.
    pub fn unsigned(&self, request: &Request<Bytes>) -> Vec<String> {
        let must = request.headers().keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        let must = std::iter::once("host").chain(must);
        must.filter(|name| !self.signed_headers.iter().any(|signed| signed == name)).map(str::to_owned).collect()
    }

    /// Checks the signature in constant time. `payload` is the payload's digest, or the word that stands for it.
    ///
    /// # Errors
    /// It is not what this secret gives.
    pub fn verify(&self, request: &Request<Bytes>, secret: &str, payload: &str) -> Result<Seed, Mismatch> {
        let canonical = canonical(request, self, payload);
        let scope = format!("{}/{}/{}/aws4_request", self.day, self.region, self.service);
        let string_to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.date, digest(canonical.as_bytes()));
        let key = generate_signing_key(secret, self.at.into(), &self.region, &self.service).as_ref().to_vec();
        let signature = calculate_signature(&key, string_to_sign.as_bytes());
        if !is_equal(&signature, &self.signature) {
            return Err(Mismatch { canonical, string_to_sign });
        }
        Ok(Seed { key, date: self.date.clone(), scope, signature })
    }
}

impl Seed {
    /// Whether `signature` is right for the next chunk; if so, the chunk after it builds on this one.
    pub fn is_next_chunk(&mut self, chunk: &[u8], signature: &str) -> bool {
        let what = format!("{}\n{}", digest(b""), digest(chunk));
        self.is_next("AWS4-HMAC-SHA256-PAYLOAD", &what, signature)
    }

    /// Whether `signature` is right for trailing headers, given as `name:value\n` in their order.
    pub fn is_trailer(&mut self, trailer: &str, signature: &str) -> bool {
        self.is_next("AWS4-HMAC-SHA256-TRAILER", &digest(trailer.as_bytes()), signature)
    }

    fn is_next(&mut self, kind: &str, what: &str, signature: &str) -> bool {
        let string_to_sign = format!("{kind}\n{}\n{}\n{}\n{what}", self.date, self.scope, self.signature);
        self.signature = calculate_signature(&self.key, string_to_sign.as_bytes());
        is_equal(&self.signature, signature)
    }
}

/// The SHA-256 of some bytes, hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of a header as text; several are joined by commas.
pub fn text(request: &Request<Bytes>, name: &str) -> Option<String> {
    let values: Vec<&str> =
        request.headers().get_all(name).iter().map(|value| value.to_str()).collect::<Result<_, _>>().ok()?;
    (!values.is_empty()).then(|| values.join(","))
}

/// Compares without telling by its duration where the texts differ.
fn is_equal(a: &str, b: &str) -> bool {
    let differences = a.bytes().zip(b.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

fn canonical(request: &Request<Bytes>, claim: &Claim, payload: &str) -> String {
    let mut headers = String::new();
    for name in &claim.signed_headers {
        let value = match (text(request, name), name.as_str()) {
            (None, "host") => request.uri().authority().map(ToString::to_string),
            (value, _) => value,
        };
        let value = value.unwrap_or_default();
        headers.push_str(&format!("{name}:{}\n", value.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let (path, query) = (canonical_path(request.uri().path(), claim.service == "s3"), canonical_query(request.uri()));
    format!("{}\n{path}\n{query}\n{headers}\n{}\n{payload}", request.method(), claim.signed_headers.join(";"))
}

/// S3 encodes a path once and takes it as it is; everyone else resolves dots and encodes what is encoded already again.
fn canonical_path(path: &str, is_s3: bool) -> String {
    if is_s3 {
        return percent::encode(&percent::decode(path), b"/");
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        match segment {
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    percent::encode(format!("/{}{end}", segments.join("/")).as_bytes(), b"/")
}

fn canonical_query(uri: &http::Uri) -> String {
    let encoded = |text: &str| percent::encode(&percent::decode(&text.replace('+', " ")), b"");
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
