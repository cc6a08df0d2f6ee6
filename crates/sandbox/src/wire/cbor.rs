//! Smithy RPC v2 CBOR (RFC 8949). Reads what clients send, indefinite lengths included; writes definite lengths.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::{MAX_DEPTH, Malformed};
use crate::doc::Doc;

/// Reads a request's body; an empty one is an empty map. Byte strings become base64 text.
///
/// # Errors
/// It is not CBOR, not a map, or nests too deep.
pub fn decode(body: &[u8]) -> Result<Doc, Malformed> {
    if body.is_empty() {
        return Ok(Doc::Map(Vec::new()));
    }
    let mut reader = Reader { rest: body };
    match reader.item(0)? {
        doc @ Doc::Map(_) if reader.rest.is_empty() => Ok(doc),
        Doc::Map(_) => Err(Malformed::new("bytes follow the document")),
        _ => Err(Malformed::new("the document is not a map")),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

const BREAK: u8 = 0xff;

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len());
        let (taken, rest) = self.rest.split_at(length.ok_or_else(|| Malformed::new("the document ends early"))?);
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn big_endian(&mut self, bytes: u64) -> Result<u64, Malformed> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The value or length in an item's head; `None` if it is indefinite.
    fn argument(&mut self, head: u8) -> Result<Option<u64>, Malformed> {
        Ok(Some(match head & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => self.big_endian(1)?,
            25 => self.big_endian(2)?,
            26 => self.big_endian(4)?,
            27 => self.big_endian(8)?,
            31 => return Ok(None),
            _ => return Err(Malformed::new("reserved length")),
        }))
    }

    fn number(&mut self, head: u8) -> Result<i64, Malformed> {
        let value = self.argument(head)?.and_then(|value| i64::try_from(value).ok());
        value.ok_or_else(|| Malformed::new("a number is out of range"))
    }

    /// Whether another item of a list or map follows; counts `left` down or eats the break.
    fn another(&mut self, left: &mut Option<u64>) -> Result<bool, Malformed> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if self.rest.first() == Some(&BREAK) => self.byte().map(|_| false),
            None => Ok(true),
        }
    }

    fn item(&mut self, depth: usize) -> Result<Doc, Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed::new("the document nests too deep"));
        }
        let head = self.byte()?;
        Ok(match head >> 5 {
            0 => Doc::Int(self.number(head)?),
            1 => Doc::Int(-1 - self.number(head)?),
            2 => Doc::Text(STANDARD.encode(self.bytes(head)?)),
            3 => Doc::Text(self.text(head)?),
            4 => {
                let (mut left, mut items) = (self.argument(head)?, Vec::new());
                while self.another(&mut left)? {
                    items.push(self.item(depth + 1)?);
                }
                Doc::List(items)
            }
            5 => {
                let (mut left, mut members) = (self.argument(head)?, Vec::new());
                while self.another(&mut left)? {
                    let head = self.byte()?;
                    members.push((self.text(head)?, self.item(depth + 1)?));
                }
                Doc::Map(members)
            }
            6 => match self.argument(head)? {
                Some(1) => moment(&self.item(depth + 1)?)?,
                _ => self.item(depth + 1)?,
            },
            _ => self.simple(head)?,
        })
    }

    /// The content of a byte or text string, which may come in chunks.
    fn bytes(&mut self, head: u8) -> Result<Vec<u8>, Malformed> {
        let mut left = match self.argument(head)? {
            Some(length) => return self.take(length).map(<[u8]>::to_vec),
            None => None,
        };
        let mut content = Vec::new();
        while self.another(&mut left)? {
            let chunk = self.byte()?;
            match self.argument(chunk)? {
                Some(length) if chunk >> 5 == head >> 5 => content.extend_from_slice(self.take(length)?),
                _ => return Err(Malformed::new("a chunk of another kind")),
            }
        }
        Ok(content)
    }

    fn text(&mut self, head: u8) -> Result<String, Malformed> {
        if head >> 5 != 3 {
            return Err(Malformed::new("a member's name is not text"));
        }
        String::from_utf8(self.bytes(head)?).map_err(|_| Malformed::new("text is not UTF-8"))
    }

    fn simple(&mut self, head: u8) -> Result<Doc, Malformed> {
        Ok(match head & 0x1f {
            20 => Doc::Bool(false),
            21 => Doc::Bool(true),
            22 | 23 => Doc::Null,
            25 => Doc::Float(half(self.big_endian(2)? as u16)),
            26 => Doc::Float(f32::from_bits(self.big_endian(4)? as u32).into()),
            27 => Doc::Float(f64::from_bits(self.big_endian(8)?)),
            _ => return Err(Malformed::new("an unknown simple value")),
        })
    }
}

/// Widens an IEEE 754 half.
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let value = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + mantissa / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -value } else { value }
}

fn moment(seconds: &Doc) -> Result<Doc, Malformed> {
    let at = match seconds {
        Doc::Int(seconds) => Timestamp::from_second(*seconds).ok(),
        Doc::Float(seconds) => Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok(),
        _ => None,
    };
    at.map(Doc::Time).ok_or_else(|| Malformed::new("a timestamp is not a number of seconds in range"))
}

/// Writes an answer; a `Null` one is an empty map. `Null` members are left out.
pub fn encode(doc: &Doc) -> Vec<u8> {
    let mut out = Vec::new();
    match doc {
        Doc::Null => head(&mut out, 5, 0),
        doc => write(&mut out, doc),
    }
    out
}

/// The body of an error.
pub fn error(code: &str, message: &str) -> Vec<u8> {
    encode(&Doc::Map(vec![("__type".to_owned(), code.into()), ("message".to_owned(), message.into())]))
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let (info, width) = match value {
        0..=23 => (bytes[7], 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | info);
    out.extend_from_slice(&bytes[8 - width..]);
}

fn write(out: &mut Vec<u8>, doc: &Doc) {
    match doc {
        Doc::Null => out.push(0xf6),
        Doc::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Doc::Int(number) if *number < 0 => head(out, 1, number.unsigned_abs() - 1),
        Doc::Int(number) => head(out, 0, number.unsigned_abs()),
        Doc::Float(number) => {
            out.push(0xfb);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Doc::Text(text) => string(out, text),
        Doc::Time(at) => {
            head(out, 6, 1);
            write(out, &Doc::Float(at.as_millisecond() as f64 / 1000.0));
        }
        Doc::List(items) => {
            head(out, 4, items.len() as u64);
            items.iter().for_each(|item| write(out, item));
        }
        Doc::Map(members) => {
            let members: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
            head(out, 5, members.len() as u64);
            for (name, value) in members {
                string(out, name);
                write(out, value);
            }
        }
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
