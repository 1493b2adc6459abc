//! The head of a response, written as its protocol encodes it.

use bytes::Bytes;

use super::request::{VERSIONS, Version};
use crate::h2::hpack::{self, Indexing};
use crate::http::format_http_date;
use crate::site::{Carries, Fields};

/// A rule that sets it has set the file's own type, when that was opened: it is said in a part of several, too.
const TYPE: &str = "content-type";

/// A head that is being written: status first, then fields with names in lower case.
pub(super) struct Head<'a> {
    block: Vec<u8>,
    version: Version,
    status: u16,
    carries: Carries,
    /// Fields that the rules set: they are there from the beginning, and the server's own of the same name are left
    /// out.
    set: &'a Fields,
}

impl<'a> Head<'a> {
    pub(super) fn new(version: Version, status: u16, carries: Carries, set: &'a Fields) -> Self {
        let mut block = Vec::with_capacity(256);
        match version {
            Version::Http2 => hpack::encode_status(&mut block, status),
            Version::Http1 => {
                block.extend_from_slice(b"HTTP/1.1 ");
                block.extend_from_slice(status.to_string().as_bytes());
                block.push(b' ');
                block.extend_from_slice(reason(status).as_bytes());
                block.extend_from_slice(b"\r\n");
            }
        }
        let of_rules = set.for_answer(status, carries);
        for (name, value) in of_rules.filter(|(name, _)| *name != TYPE) {
            put_field(&mut block, version, name.as_bytes(), value);
        }
        Self {
            block,
            version,
            status,
            carries,
            set,
        }
    }

    /// Adds a field of the server's own, unless a rule has set it. Neither name nor value may hold CR, LF or NUL: they
    /// come from this crate, or from a configuration that was checked.
    pub(super) fn field(&mut self, name: &'static str, value: &[u8]) {
        let mut set = self.set.for_answer(self.status, self.carries);
        if name == TYPE || !set.any(|(set, _)| set == name) {
            put_field(&mut self.block, self.version, name.as_bytes(), value);
        }
    }

    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.field(name, value.to_string().as_bytes());
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.block.into()
    }
}

pub(super) fn put_field(block: &mut Vec<u8>, version: Version, name: &[u8], value: &[u8]) {
    match version {
        Version::Http2 => hpack::encode_field(block, name, value, Indexing::Without),
        Version::Http1 => {
            debug_assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            block.extend_from_slice(name);
            block.extend_from_slice(b": ");
            block.extend_from_slice(value);
            block.extend_from_slice(b"\r\n");
        }
    }
}

/// The reason phrase of a status.
pub(super) fn reason(status: u16) -> &'static str {
    ::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

/// Field lines of HTTP/1.1 for what its core says by itself.
pub(in crate::shard) fn core_fields(date: Bytes) -> Bytes {
    let mut block = Vec::from(date);
    let nosniff = b"nosniff";
    put_field(
        &mut block,
        Version::Http1,
        b"x-content-type-options",
        nosniff,
    );
    block.into()
}

/// The fields that change with the clock only, encoded once a second.
pub(in crate::shard) struct Clock {
    /// Seconds since the epoch.
    pub(in crate::shard) now_secs: u64,
    /// Date alone, and with Vary for what may be coded.
    fields: [[Bytes; 2]; VERSIONS],
}

impl Clock {
    pub(in crate::shard) fn new(now_secs: u64) -> Self {
        let fields = [Version::Http1, Version::Http2].map(|version| {
            let mut block = Vec::with_capacity(80);
            put_field(&mut block, version, b"date", &format_http_date(now_secs));
            let date = Bytes::copy_from_slice(&block);
            put_field(&mut block, version, b"vary", b"accept-encoding");
            [date, block.into()]
        });
        Self { now_secs, fields }
    }

    /// The Date field, and Vary where the answer depends on Accept-Encoding.
    pub(in crate::shard) fn date(&self, version: Version, varies: bool) -> Bytes {
        self.fields[version as usize][usize::from(varies)].clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_head_of_http1_is_text() {
        let mut set = Fields::default();
        set.set("Server".parse().unwrap(), "us".parse().unwrap());
        set.set(
            "Cache-Control".parse().unwrap(),
            "no-store".parse().unwrap(),
        );
        let mut head = Head::new(Version::Http1, 206, Carries::File, &set);
        head.field("cache-control", b"no-cache");
        head.field("content-type", b"c/d");
        head.field("etag", b"\"x\"");
        head.number("content-length", 12);
        assert_eq!(
            head.into_bytes(),
            "HTTP/1.1 206 Partial Content\r\nserver: us\r\ncache-control: no-store\r\ncontent-type: c/d\r\netag: \"x\"\r\ncontent-length: 12\r\n"
        );
        let clock = Clock::new(784_111_777);
        assert_eq!(
            clock.date(Version::Http1, true),
            "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nvary: accept-encoding\r\n"
        );
    }
}
