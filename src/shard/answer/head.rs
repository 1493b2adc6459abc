//! The head of a response, written as its protocol encodes it.

use bytes::Bytes;

use super::request::{VERSIONS, Version};
use crate::h2::hpack::{self, Indexing};
use crate::http::format_http_date;

/// A head that is being written: status first, then fields with names in lower case.
pub(in crate::shard) struct Head {
    block: Vec<u8>,
    version: Version,
}

impl Head {
    pub(in crate::shard) fn new(version: Version, status: u16) -> Self {
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
        Self { block, version }
    }

    /// Adds a field. Neither name nor value may hold CR, LF or NUL: they come from this crate, or from a
    /// configuration that was checked.
    pub(in crate::shard) fn field(&mut self, name: &[u8], value: &[u8]) {
        put_field(&mut self.block, self.version, name, value);
    }

    pub(in crate::shard) fn number(&mut self, name: &[u8], value: u64) {
        self.field(name, value.to_string().as_bytes());
    }

    pub(in crate::shard) fn into_bytes(self) -> Bytes {
        self.block.into()
    }
}

fn put_field(block: &mut Vec<u8>, version: Version, name: &[u8], value: &[u8]) {
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
pub(in crate::shard) fn reason(status: u16) -> &'static str {
    ::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}

/// The fields that change with the clock only, encoded once a second.
pub(in crate::shard) struct Clock {
    /// Seconds since the epoch.
    pub(in crate::shard) now_secs: u64,
    date: [Bytes; VERSIONS],
}

impl Clock {
    pub(in crate::shard) fn new(now_secs: u64) -> Self {
        let date = [Version::Http1, Version::Http2].map(|version| {
            let mut block = Vec::with_capacity(40);
            put_field(&mut block, version, b"date", &format_http_date(now_secs));
            Bytes::from(block)
        });
        Self { now_secs, date }
    }

    /// The Date field.
    pub(in crate::shard) fn date(&self, version: Version) -> Bytes {
        self.date[version as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_of_http1_is_text() {
        let mut head = Head::new(Version::Http1, 206);
        head.field(b"etag", b"\"x\"");
        head.number(b"content-length", 12);
        assert_eq!(
            head.into_bytes(),
            "HTTP/1.1 206 Partial Content\r\netag: \"x\"\r\ncontent-length: 12\r\n"
        );
        let clock = Clock::new(784_111_777);
        assert_eq!(
            clock.date(Version::Http1),
            "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        );
    }
}
