//! What of a request decides its answer.

use std::cell::Cell;

use crate::http::{Method, Preconditions};

/// The protocol that a response head is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) enum Version {
    /// HTTP/1.1: lines of text.
    Http1,
    /// HTTP/2: an HPACK field block.
    Http2,
}

/// Protocols, for what is kept once for each.
pub(in crate::shard) const VERSIONS: usize = 2;

/// The fields of a request that a file server looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) enum Field {
    Range,
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfUnmodifiedSince,
    IfRange,
    Accept,
    AcceptEncoding,
    Origin,
    AccessControlRequestMethod,
    AccessControlRequestHeaders,
    WantReprDigest,
    WantContentDigest,
    Te,
}

const FIELDS: usize = 14;

impl Field {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"range" => Self::Range,
            b"if-match" => Self::IfMatch,
            b"if-none-match" => Self::IfNoneMatch,
            b"if-modified-since" => Self::IfModifiedSince,
            b"if-unmodified-since" => Self::IfUnmodifiedSince,
            b"if-range" => Self::IfRange,
            b"accept" => Self::Accept,
            b"accept-encoding" => Self::AcceptEncoding,
            b"origin" => Self::Origin,
            b"access-control-request-method" => Self::AccessControlRequestMethod,
            b"access-control-request-headers" => Self::AccessControlRequestHeaders,
            b"want-repr-digest" => Self::WantReprDigest,
            b"want-content-digest" => Self::WantContentDigest,
            b"te" => Self::Te,
            _ => return None,
        })
    }
}

/// A request, borrowed from where its head was parsed.
#[derive(Debug)]
pub(in crate::shard) struct Request<'a> {
    pub(in crate::shard) version: Version,
    pub(in crate::shard) method: Method,
    /// Host and port as the client named them; may be empty.
    pub(in crate::shard) authority: &'a [u8],
    /// The target's path, not decoded, with its query.
    pub(in crate::shard) target: &'a [u8],
    fields: [Option<&'a [u8]>; FIELDS],
    /// Whether Accept decided on the answer: then Vary says so (RFC 9110, section 12.5.5).
    pub(in crate::shard) by_accept: Cell<bool>,
}

impl<'a> Request<'a> {
    /// Picks out of `fields` what matters. The lines of a field that came more than once are joined by commas (RFC
    /// 9110, section 5.3), in `joined`: for a field that may not come twice that makes a value that means nothing.
    pub(in crate::shard) fn new(
        version: Version,
        method: &[u8],
        authority: &'a [u8],
        target: &'a [u8],
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        joined: &'a mut Vec<u8>,
    ) -> Self {
        let mut request = Self {
            version,
            method: Method::parse(method),
            authority,
            target,
            fields: [None; FIELDS],
            by_accept: Cell::new(false),
        };
        let mut repeated = 0u16;
        for (name, value) in fields.clone() {
            if let Some(field) = Field::named(name) {
                match &mut request.fields[field as usize] {
                    Some(_) => repeated |= 1 << field as u16,
                    free => *free = Some(value),
                }
            }
        }
        if repeated != 0 {
            request.join(repeated, fields, joined);
        }
        request
    }

    #[cold]
    fn join(
        &mut self,
        repeated: u16,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        joined: &'a mut Vec<u8>,
    ) {
        joined.clear();
        let mut ends = [0; FIELDS];
        for (index, end) in ends.iter_mut().enumerate() {
            if repeated & 1 << index != 0 {
                let lines = fields.clone().filter(|(name, _)| {
                    Field::named(name).is_some_and(|field| field as usize == index)
                });
                for (n, (_, value)) in lines.enumerate() {
                    if n > 0 {
                        joined.extend_from_slice(b", ");
                    }
                    joined.extend_from_slice(value);
                }
            }
            *end = joined.len();
        }
        let joined: &'a [u8] = joined;
        let mut start = 0;
        for (index, &end) in ends.iter().enumerate() {
            if repeated & 1 << index != 0 {
                self.fields[index] = Some(&joined[start..end]);
            }
            start = end;
        }
    }

    /// The value of a field, its lines joined.
    pub(in crate::shard) fn get(&self, field: Field) -> Option<&'a [u8]> {
        self.fields[field as usize]
    }

    /// The part of the target after `?`.
    pub(in crate::shard) fn query(&self) -> Option<&'a [u8]> {
        let at = self.target.iter().position(|&byte| byte == b'?')?;
        Some(&self.target[at + 1..])
    }

    /// The conditional fields, and Range.
    pub(in crate::shard) fn preconditions(&self) -> Preconditions<'a> {
        Preconditions {
            if_match: self.get(Field::IfMatch),
            if_none_match: self.get(Field::IfNoneMatch),
            if_modified_since: self.get(Field::IfModifiedSince),
            if_unmodified_since: self.get(Field::IfUnmodifiedSince),
            if_range: self.get(Field::IfRange),
            range: self.get(Field::Range),
        }
    }
}

/// A [`Request`] that waits for its file: one allocation.
#[derive(Debug)]
pub(in crate::shard) struct WaitingRequest {
    version: Version,
    method: Method,
    by_accept: bool,
    text: Box<[u8]>,
    /// Where authority, target and each field end in `text`; and whether the field is there.
    ends: [(u32, bool); 2 + FIELDS],
}

impl WaitingRequest {
    pub(in crate::shard) fn new(request: &Request<'_>) -> Self {
        let parts = || {
            [Some(request.authority), Some(request.target)]
                .into_iter()
                .chain(request.fields)
        };
        let mut text = Vec::with_capacity(parts().flatten().map(<[u8]>::len).sum());
        let mut ends = [(0, false); 2 + FIELDS];
        for (end, part) in ends.iter_mut().zip(parts()) {
            text.extend_from_slice(part.unwrap_or_default());
            // The limit of a request's head is far below 4 GiB.
            *end = (text.len() as u32, part.is_some());
        }
        Self {
            version: request.version,
            method: request.method,
            by_accept: request.by_accept.get(),
            text: text.into(),
            ends,
        }
    }

    pub(in crate::shard) fn request(&self) -> Request<'_> {
        let mut start = 0;
        let [authority, target, fields @ ..] = self.ends.map(|(end, present)| {
            let part = &self.text[start..end as usize];
            start = end as usize;
            present.then_some(part)
        });
        Request {
            version: self.version,
            method: self.method,
            authority: authority.unwrap_or_default(),
            target: target.unwrap_or_default(),
            fields,
            by_accept: Cell::new(self.by_accept),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEAD: [(&[u8], &[u8]); 6] = [
        (b"accept", b"text/html"),
        (b"if-none-match", b"\"a\""),
        (b"user-agent", b"x"),
        (b"te", b""),
        (b"if-none-match", b"\"b\""),
        (b"accept", b"*/*"),
    ];

    #[test]
    fn lines_of_one_field_are_joined() {
        let mut joined = Vec::new();
        let fields = HEAD.iter().copied();
        let request = Request::new(Version::Http2, b"GET", b"h", b"/a?b", fields, &mut joined);
        assert_eq!(request.get(Field::Accept).unwrap(), b"text/html, */*");
        assert_eq!(
            request.preconditions().if_none_match.unwrap(),
            b"\"a\", \"b\""
        );
        assert_eq!(request.get(Field::Te).unwrap(), b"");
        assert_eq!(request.get(Field::Range), None);
        assert_eq!(request.query().unwrap(), b"b");
    }

    #[test]
    fn a_waiting_request_is_the_same_request() {
        let mut joined = Vec::new();
        let fields = HEAD.iter().copied();
        let request = Request::new(Version::Http1, b"HEAD", b"host", b"/", fields, &mut joined);
        request.by_accept.set(true);
        let waiting = WaitingRequest::new(&request);
        let again = waiting.request();
        assert_eq!(again.fields, request.fields);
        assert!(again.by_accept.get());
        assert_eq!(
            (again.version, again.method, again.authority, again.target),
            (Version::Http1, Method::Head, &b"host"[..], &b"/"[..])
        );
    }
}
