//! Checksums beside the ETag: in headers, trailers, and over parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::Error;

/// A checksum algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Md5,
    Sha1,
    Sha256,
    Sha512,
    XxHash3,
    XxHash64,
    XxHash128,
}

/// A checksum as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was made.
    pub algorithm: Algorithm,
    /// Base64; `…-N` if it is over the checksums of N parts.
    pub value: String,
    /// Over the checksums of the parts instead of over the content.
    pub is_composite: bool,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64Nvme,
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha512,
        Algorithm::XxHash3,
        Algorithm::XxHash64,
        Algorithm::XxHash128,
    ];

    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Md5 => "MD5",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
            Algorithm::XxHash3 => "XXHASH3",
            Algorithm::XxHash64 => "XXHASH64",
            Algorithm::XxHash128 => "XXHASH128",
        }
    }

    /// As messages write it.
    pub fn lower(self) -> String {
        self.name().to_ascii_lowercase()
    }

    /// The algorithm of this name, in whatever case.
    pub fn named(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// `x-amz-checksum-…`.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.lower())
    }

    /// The element of lists and answers, `ChecksumSHA256`.
    pub fn element(self) -> String {
        format!("Checksum{}", self.name())
    }

    /// How many bytes it has.
    fn length(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme | Algorithm::XxHash3 | Algorithm::XxHash64 => 8,
            Algorithm::Md5 | Algorithm::XxHash128 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    fn raw(self, body: &[u8]) -> Vec<u8> {
        let crc = |algorithm, bytes: usize| crc_fast::checksum(algorithm, body).to_be_bytes()[8 - bytes..].to_vec();
        match self {
            Algorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
            Algorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, 4),
            Algorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, 8),
            Algorithm::Sha1 => Sha1::digest(body).to_vec(),
            Algorithm::Sha256 => Sha256::digest(body).to_vec(),
            Algorithm::Md5 => Md5::digest(body).to_vec(),
            Algorithm::Sha512 => Sha512::digest(body).to_vec(),
            Algorithm::XxHash3 => xxhash_rust::xxh3::xxh3_64(body).to_be_bytes().to_vec(),
            Algorithm::XxHash64 => xxhash_rust::xxh64::xxh64(body, 0).to_be_bytes().to_vec(),
            Algorithm::XxHash128 => xxhash_rust::xxh3::xxh3_128(body).to_be_bytes().to_vec(),
        }
    }

    /// The checksum of some content, base64.
    pub fn of(self, body: &[u8]) -> String {
        STANDARD.encode(self.raw(body))
    }

    /// The checksum over the checksums of parts.
    pub fn composite(self, parts: &[String]) -> String {
        let raw: Vec<u8> = parts.iter().flat_map(|part| STANDARD.decode(part).unwrap_or_default()).collect();
        format!("{}-{}", self.of(&raw), parts.len())
    }
}

/// The checksum that a request states; `headers` looks up a header or trailer.
///
/// # Errors
/// There is more than one, or it cannot be one.
pub fn stated(headers: impl Fn(&str) -> Option<String>) -> Result<Option<(Algorithm, String)>, Error> {
    let announced = headers("x-amz-sdk-checksum-algorithm");
    let mut all = Algorithm::ALL.into_iter().filter_map(|it| Some((it, headers(&it.header())?)));
    let Some((algorithm, value)) = all.next() else {
        let why = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer \
                   headers were found.";
        return announced.map_or(Ok(None), |_| Err(Error::invalid_request(why)));
    };
    if announced.is_some_and(|announced| Algorithm::named(&announced) != Some(algorithm)) {
        return Err(Error::invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid."));
    }
    if all.next().is_some() {
        let why = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(Error::invalid_request(why));
    }
    // The checksum of a whole upload says how many parts there are.
    let digits = value.split_once('-').map_or(value.as_str(), |(digits, _)| digits);
    match STANDARD.decode(digits) {
        Ok(raw) if raw.len() == algorithm.length() => Ok(Some((algorithm, value))),
        _ => Err(Error::invalid_request(format!("Value for {} header is invalid.", algorithm.header()))),
    }
}

/// Checks content against the checksum that was stated, or makes the one that S3 makes by itself.
///
/// # Errors
/// They differ.
pub fn verify(body: &[u8], stated: Option<(Algorithm, String)>) -> Result<Checksum, Error> {
    let algorithm = stated.as_ref().map_or(Algorithm::Crc64Nvme, |(algorithm, _)| *algorithm);
    let made = made(body, algorithm);
    if stated.is_some_and(|(_, stated)| stated != made.value) {
        let why = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
        return Err(Error::new(400, "BadDigest", why));
    }
    Ok(made)
}

/// The checksum of some content.
pub fn made(body: &[u8], algorithm: Algorithm) -> Checksum {
    Checksum { algorithm, value: algorithm.of(body), is_composite: false }
}

/// The ETag of content, and a check of `Content-MD5` if there is one.
///
/// # Errors
/// The header is malformed or differs.
pub fn etag(body: &[u8], content_md5: Option<&str>) -> Result<String, Error> {
    let digest = Md5::digest(body);
    if let Some(given) = content_md5 {
        let raw = STANDARD.decode(given).ok().filter(|raw| raw.len() == 16);
        let raw = raw.ok_or_else(|| {
            Error::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.").with("Content-MD5", given)
        })?;
        if raw != digest.as_slice() {
            let why = "The Content-MD5 you specified did not match what we received.";
            let calculated = STANDARD.encode(digest);
            return Err(Error::new(400, "BadDigest", why)
                .with("ExpectedDigest", given)
                .with("CalculatedDigest", &calculated));
        }
    }
    Ok(crate::wire::signature::hex(&digest))
}

/// The ETag of an upload in parts: the digest of the digests, and how many there were.
pub fn etag_of_parts(etags: &[String]) -> String {
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let raw: Vec<u8> = etags.iter().flat_map(|etag| etag.as_bytes().chunks(2).filter_map(byte)).collect();
    format!("{}-{}", crate::wire::signature::hex(&Md5::digest(&raw)), etags.len())
}
