//! The content of a request: plain, or `aws-chunked` with signed chunks and trailing checksums.

use bytes::{Bytes, BytesMut};

use super::{Ask, Error};

/// The largest object that the sandbox keeps.
pub const MAX_SIZE: usize = 1 << 30;

/// What was sent.
pub struct Content {
    /// The plain bytes.
    pub body: Bytes,
    /// Trailing headers, lower-case names.
    trailers: Vec<(String, String)>,
}

impl Content {
    /// A header of the request, or the trailer of this name.
    pub fn header(&self, ask: &Ask, name: &str) -> Option<String> {
        let trailer = self.trailers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        trailer.or_else(|| ask.header(name))
    }
}

/// Reads the body of a put.
///
/// # Errors
/// The framing is broken, a chunk's signature is wrong, or the length is not what the headers say.
pub fn read(ask: &Ask) -> Result<Content, Error> {
    let kind = ask.header("x-amz-content-sha256").unwrap_or_default();
    let body = ask.request.body().clone();
    if !kind.starts_with("STREAMING-") {
        if body.len() > MAX_SIZE {
            return Err(too_large(body.len()));
        }
        return Ok(Content { body, trailers: Vec::new() });
    }
    let length = ask.header("x-amz-decoded-content-length").and_then(|text| text.parse::<usize>().ok());
    let length = length
        .ok_or_else(|| Error::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header."))?;
    if length > MAX_SIZE {
        return Err(too_large(length));
    }
    let mut chunks = Chunks { rest: &body, ask, seed: ask.seed.clone().filter(|_| kind.contains("HMAC")) };
    let mut plain = BytesMut::with_capacity(length.min(body.len()));
    while let Some(chunk) = chunks.next()? {
        plain.extend_from_slice(chunk);
    }
    let trailers = if kind.ends_with("-TRAILER") { chunks.trailers()? } else { Vec::new() };
    if plain.len() != length {
        return Err(incomplete());
    }
    Ok(Content { body: plain.freeze(), trailers })
}

/// What a body that is too large is answered with.
pub fn too_large(size: usize) -> Error {
    Error::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        .with("ProposedSize", &size.to_string())
        .with("MaxSizeAllowed", &MAX_SIZE.to_string())
}

fn incomplete() -> Error {
    let why = "You did not provide the number of bytes specified by the Content-Length HTTP header";
    Error::new(400, "IncompleteBody", why)
}

struct Chunks<'a> {
    rest: &'a [u8],
    ask: &'a Ask<'a>,
    seed: Option<crate::wire::signature::Seed>,
}

impl<'a> Chunks<'a> {
    fn line(&mut self) -> Result<&'a str, Error> {
        let end = self.rest.windows(2).take(16_384).position(|pair| pair == b"\r\n").ok_or_else(incomplete)?;
        let line = std::str::from_utf8(&self.rest[..end]).map_err(|_| incomplete())?;
        self.rest = &self.rest[end + 2..];
        Ok(line)
    }

    /// The next chunk; `None` after the last one, which is empty.
    fn next(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let line = self.line()?;
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| incomplete())?;
        if size > self.rest.len() {
            return Err(incomplete());
        }
        let (chunk, rest) = self.rest.split_at(size);
        if let Some(seed) = &mut self.seed {
            let signature = extension.trim().strip_prefix("chunk-signature=").unwrap_or_default();
            if !seed.is_next_chunk(chunk, signature) {
                return Err(self.mismatch(signature));
            }
        }
        self.rest = rest;
        if size == 0 {
            return Ok(None);
        }
        // The line end after the chunk's bytes.
        self.rest = rest.strip_prefix(b"\r\n").ok_or_else(incomplete)?;
        Ok(Some(chunk))
    }

    fn trailers(&mut self) -> Result<Vec<(String, String)>, Error> {
        let announced = self.ask.header("x-amz-trailer").unwrap_or_default().to_ascii_lowercase();
        let (mut trailers, mut signed, mut signature) = (Vec::new(), String::new(), None);
        loop {
            let line = if self.rest.is_empty() { "" } else { self.line()? };
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed_trailer)?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
            if name == "x-amz-trailer-signature" {
                signature = Some(value);
                continue;
            }
            if !announced.split(',').any(|known| known.trim() == name) {
                return Err(malformed_trailer());
            }
            signed.push_str(&format!("{name}:{value}\n"));
            trailers.push((name, value));
        }
        if announced.split(',').any(|name| !name.is_empty() && !trailers.iter().any(|(known, _)| known == name.trim()))
        {
            return Err(malformed_trailer());
        }
        let given = signature.unwrap_or_default();
        let is_right = self.seed.as_mut().is_none_or(|seed| seed.is_trailer(&signed, &given));
        if is_right { Ok(trailers) } else { Err(self.mismatch(&given)) }
    }

    fn mismatch(&self, given: &str) -> Error {
        let why = "The request signature we calculated does not match the signature you provided. Check your key and \
                   signing method.";
        Error::new(403, "SignatureDoesNotMatch", why).with("SignatureProvided", given)
    }
}

fn malformed_trailer() -> Error {
    let why =
        "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    Error::new(400, "MalformedTrailerError", why)
}
