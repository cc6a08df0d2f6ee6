//! Preconditions of writes and reads.

use jiff::Timestamp;

use super::{Ask, Error, Object};

/// What a write demands of the current object. To be checked under the same lock as the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// That there is none.
    Absent,
    /// That it has this ETag.
    Matches(String),
}

impl Condition {
    /// The condition in the headers of a put, a copy or the completion of an upload.
    ///
    /// # Errors
    /// S3 does not do what they ask for.
    pub fn of_write(ask: &Ask) -> Result<Condition, Error> {
        match (ask.header("if-match"), ask.header("if-none-match")) {
            (Some(_), Some(_)) => Err(Error::not_implemented(
                "If-Match,If-None-Match",
                Some("Multiple conditional request headers present in the request"),
            )),
            (Some(etag), None) if etag == "*" => Err(Error::not_implemented("If-Match", None)),
            (Some(etag), None) => Ok(Condition::Matches(bare(&etag).to_owned())),
            (None, Some(any)) if any == "*" => Ok(Condition::Absent),
            (None, Some(_)) => Err(Error::not_implemented("If-None-Match", None)),
            (None, None) => Ok(Condition::None),
        }
    }

    /// Whether a write may go on.
    ///
    /// # Errors
    /// 412, or 404 if the object that was to match is not there.
    pub fn check(&self, current: Option<&Object>, key: &str) -> Result<(), Error> {
        match (self, current) {
            (Condition::None, _) | (Condition::Absent, None) => Ok(()),
            (Condition::Absent, Some(_)) => Err(Error::precondition_failed("If-None-Match")),
            (Condition::Matches(_), None) => Err(Error::no_such_key(key)),
            (Condition::Matches(etag), Some(object)) if *etag == object.etag => Ok(()),
            (Condition::Matches(_), Some(_)) => Err(Error::precondition_failed("If-Match")),
        }
    }
}

/// Checks the condition of a delete, where `*` means any.
///
/// # Errors
/// 412, 404 if there is no object, 501 for conditions that only directory buckets have.
pub fn check_delete(ask: &Ask, current: Option<&Object>) -> Result<(), Error> {
    for header in ["x-amz-if-match-size", "x-amz-if-match-last-modified-time"] {
        if ask.header(header).is_some() {
            let why = "A header you provided implies functionality that is not implemented";
            return Err(Error::new(501, "NotImplemented", why).with("Header", header));
        }
    }
    match ask.header("if-match") {
        None => Ok(()),
        Some(etag) => matches_for_delete(&etag, current, &ask.key),
    }
}

/// The same for one object of `DeleteObjects`.
///
/// # Errors
/// 412, or 404 if there is no object.
pub fn matches_for_delete(etag: &str, current: Option<&Object>, key: &str) -> Result<(), Error> {
    match current {
        None => Err(Error::no_such_key(key)),
        Some(object) if etag == "*" || bare(etag) == object.etag => Ok(()),
        Some(_) => Err(Error::precondition_failed("If-Match")),
    }
}

/// Checks the conditions of a read, whose headers start with `prefix` (of a copy's source:
/// `x-amz-copy-source-`).
///
/// # Errors
/// 412, or 304 where the client has it already.
pub fn check_read(ask: &Ask, prefix: &str, object: &Object, modified: Timestamp, now: Timestamp) -> Result<(), Error> {
    let header = |name: &str| ask.header(&format!("{prefix}{name}"));
    let is_copy = !prefix.is_empty();
    let failed = |name: &str| {
        Err(Error::precondition_failed(&if is_copy { format!("{prefix}{name}") } else { name.to_owned() }))
    };
    let lists = |etags: &str| etags.split(',').any(|etag| etag.trim() == "*" || bare(etag.trim()) == object.etag);
    let since = |name: &str| header(name).and_then(|text| http_date(&text));
    if let Some(etags) = header("if-match") {
        if !lists(&etags) {
            return failed("If-Match");
        }
    } else if since("if-unmodified-since").is_some_and(|since| modified > since) {
        return failed("If-Unmodified-Since");
    }
    let is_known = match header("if-none-match") {
        Some(etags) if lists(&etags) => Some("If-None-Match"),
        Some(_) => None,
        // A moment that has not come yet says nothing (RFC 9110, 13.1.3).
        None => {
            since("if-modified-since").filter(|since| *since <= now && modified <= *since).map(|_| "If-Modified-Since")
        }
    };
    match is_known {
        Some(name) if is_copy => failed(name),
        Some(_) => Err(Error::new(304, "NotModified", "Not Modified").header("etag", &format!("\"{}\"", object.etag))),
        None => Ok(()),
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// An ETag without quotes; half-quoted ones are accepted as S3 does.
fn bare(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}
