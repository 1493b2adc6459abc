//! Requests: what was asked for, and whether what comes is that.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::folder::DIRECTORY;
use crate::uring::simulated::Random;
use crate::uring::simulated::files::{File, matches};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The whole response is there.
    Complete,
    /// The server reset the stream.
    Reset,
    /// The client gave it up.
    Cancelled,
    /// The server did not process it, and said so.
    Unprocessed,
    /// The connection ended before.
    Lost,
}

impl End {
    pub(super) const ALL: [Self; 5] = [
        Self::Complete,
        Self::Reset,
        Self::Cancelled,
        Self::Unprocessed,
        Self::Lost,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Options,
    /// With content, which is answered before it is read.
    Post,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}

/// What a request is for.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The file with this index.
    File(usize),
    /// A directory, with its listing.
    Directory(Bytes),
    Nothing,
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(index) => write!(f, "file {index}"),
            Self::Directory(_) => f.write_str("a directory"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// A request, and what has come of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    what: What,
    range: Option<Range<u64>>,
    /// Another range. Only on HTTP/1.1: in HTTP/2 a boundary, which is drawn at random, is not always equally long.
    second: Option<Range<u64>>,
    /// Fields that change how it is answered, and not with what.
    more: Vec<(&'static str, &'static str)>,
    pub(super) end: Option<End>,
    /// Once there is a head.
    response: Option<Response>,
}

#[derive(Clone, Debug)]
struct Response {
    /// Whether the content is of what was asked for.
    is_what: bool,
    /// Offset of the next byte, there.
    at: u64,
    /// Bytes that are still to come; `None` when the head does not say.
    left: Option<u64>,
    /// The boundary of its parts, and what there is of them.
    parts: Option<(Vec<u8>, Vec<u8>)>,
}

impl Asked {
    /// Anything that a client may want of these files, or of the directory with that listing, with about `most` bytes
    /// in the answer.
    pub(super) fn any(
        random: &mut Random,
        http1: bool,
        most: usize,
        files: &[File],
        listing: &Bytes,
    ) -> Self {
        let method = match random.below(12) {
            0 => Method::Head,
            1 => Method::Options,
            2 => Method::Post,
            _ => Method::Get,
        };
        let what = match random.below(files.len() + 2) {
            index if index < files.len() => What::File(index),
            _ if listing.len() <= most && random.one_in(2) => What::Directory(listing.clone()),
            _ => What::Nothing,
        };
        let len = match what {
            What::File(index) => files[index].len as usize,
            _ => 0,
        };
        let mut any_range = || {
            let start = random.below(len + 2) as u64;
            start..start + 1 + random.below(most.min(len + 1)) as u64
        };
        let (range, second) = (any_range(), any_range());
        let range = (len > most || random.one_in(3)).then_some(range);
        let second = (http1 && range.is_some() && random.one_in(2)).then_some(second);
        let mut more = Vec::new();
        if random.one_in(6) {
            more.push(("accept-encoding", "br, gzip"));
        }
        if random.one_in(8) {
            more.push(("want-repr-digest", "sha-256=1"));
        }
        Self {
            method,
            what,
            range,
            second,
            more,
            end: None,
            response: None,
        }
    }

    pub(super) fn path(&self, files: &[File]) -> String {
        match self.what {
            What::File(index) => format!("/{}", files[index].path),
            What::Directory(_) => format!("/{DIRECTORY}/"),
            What::Nothing => "/none".to_owned(),
        }
    }

    /// The fields, in lower case.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let range = self.range.iter().map(|range| {
            let mut value = format!("bytes={}-{}", range.start, range.end - 1);
            if let Some(second) = &self.second {
                value += &format!(",{}-{}", second.start, second.end - 1);
            }
            ("range", value)
        });
        let more = self.more.iter();
        more.map(|(name, value)| (*name, (*value).to_owned()))
            .chain(range)
            .collect()
    }

    /// The head has come.
    pub(super) fn head(
        &mut self,
        status: u16,
        content_length: Option<u64>,
        content_range: Option<&[u8]>,
        boundary: Option<&[u8]>,
        files: &[File],
    ) {
        assert!(self.response.is_none(), "one head: {self:?}");
        let mut response = Response {
            is_what: matches!(status, 200 | 206),
            at: 0,
            left: content_length,
            parts: boundary.map(|boundary| (boundary.to_vec(), Vec::new())),
        };
        let may_fail = self.may_fail(files);
        let right = match (self.method, &self.what, &self.range, status) {
            (Method::Options, ..) => matches!(status, 200 | 204),
            (Method::Post, ..) => status == 405,
            (_, What::Nothing, _, _) => status == 404,
            (_, What::Directory(_), _, _) => status == 200,
            (_, What::File(index), range, 200) => {
                // HEAD has no ranges.
                let asked = range.is_none() || self.method == Method::Head;
                // Parts may come to more than the whole.
                let asked = asked || self.second.is_some();
                may_fail || (content_length == Some(files[*index].len) && asked)
            }
            (Method::Get, What::File(_), Some(_), 206) if boundary.is_some() => {
                self.second.is_some()
            }
            (Method::Get, What::File(index), Some(range), 206) => {
                let (first, last, complete) = content_range.and_then(parse_range).unwrap();
                response.at = first;
                assert_eq!(content_length, Some(last + 1 - first));
                let len = files[*index].len;
                may_fail
                    // One of the two, or both as one.
                    || (self.second.is_some() && complete == len)
                    || (first, last + 1, complete) == (range.start, range.end.min(len), len)
            }
            (Method::Get, What::File(index), Some(range), 416) => {
                let second = self.second.as_ref().unwrap_or(range);
                may_fail || range.start.min(second.start) >= files[*index].len
            }
            (_, What::File(index), _, 404) => files[*index].changed,
            (_, What::File(index), _, 500 | 503) => files[*index].failed,
            _ => false,
        };
        assert!(right, "{status}, {content_length:?} for {self:?}");
        if self.method == Method::Head || status == 204 {
            response.left = Some(0);
        }
        self.response = Some(response);
    }

    /// Content has come.
    pub(super) fn data(&mut self, bytes: &[u8], files: &[File]) {
        let response = self.response.as_mut().expect("content follows a head");
        let len = bytes.len() as u64;
        if let Some(left) = &mut response.left {
            assert!(len <= *left, "no more than was announced");
            *left -= len;
        }
        if let Some((_, parts)) = &mut response.parts {
            return parts.extend_from_slice(bytes);
        }
        let right = match &self.what {
            _ if !response.is_what || self.method == Method::Options => true,
            What::File(index) => matches(files[*index].number, response.at, bytes),
            What::Directory(listing) => listing[response.at as usize..].starts_with(bytes),
            What::Nothing => false,
        };
        assert!(
            right,
            "wrong bytes of {:?} from {} on, {len} of them",
            self.what, response.at
        );
        response.at += len;
    }

    /// Once there is a head: bytes of content that are still to come, if it says how many.
    pub(super) fn left(&self) -> Option<Option<u64>> {
        self.response.as_ref().map(|response| response.left)
    }

    /// The response has come to its end.
    pub(super) fn complete(&mut self, files: &[File]) {
        let response = self.response.as_ref().unwrap();
        if let (Some((boundary, parts)), What::File(index)) = (&response.parts, &self.what) {
            check_parts(boundary, parts, files[*index].number);
        }
        let whole = match (response.left, &self.what) {
            (Some(left), _) => left == 0,
            (None, What::Directory(listing)) => response.at == listing.len() as u64,
            (None, _) => false,
        };
        assert!(whole, "all of it: {self:?}");
        assert_eq!(self.end, None, "it ends once");
        self.end = Some(End::Complete);
    }

    /// It ends otherwise.
    pub(super) fn ends(&mut self, end: End) {
        assert_eq!(self.end, None, "it ends once");
        self.end = Some(end);
    }

    /// Whether the server can have failed to supply it.
    pub(super) fn may_fail(&self, files: &[File]) -> bool {
        match self.what {
            What::File(index) => files[index].changed || files[index].failed,
            _ => false,
        }
    }
}

/// Parts of a file (RFC 9110, section 15.3.7.2): two, each with the bytes that it says it has.
fn check_parts(boundary: &[u8], mut body: &[u8], number: usize) {
    let delimiter = [b"--", boundary].concat();
    let mut count = 0;
    loop {
        if count > 0 {
            body = body.strip_prefix(b"\r\n").unwrap();
        }
        body = body.strip_prefix(&delimiter[..]).unwrap();
        if let Some(rest) = body.strip_prefix(b"--") {
            assert_eq!((rest, count), (&b"\r\n"[..], 2));
            return;
        }
        let end = memchr::memmem::find(body, b"\r\n\r\n").unwrap();
        let (fields, content) = (&body[..end], &body[end + 4..]);
        let name = b"Content-Range: ";
        let at = memchr::memmem::find(fields, name).unwrap() + name.len();
        let (first, last, _) = parse_range(&fields[at..]).unwrap();
        let (content, rest) = content.split_at((last + 1 - first) as usize);
        assert!(
            matches(number, first, content),
            "a part's bytes from {first} on"
        );
        (body, count) = (rest, count + 1);
    }
}

/// `bytes first-last/complete`.
fn parse_range(value: &[u8]) -> Option<(u64, u64, u64)> {
    let value = std::str::from_utf8(value).ok()?.strip_prefix("bytes ")?;
    let (range, complete) = value.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((
        first.parse().ok()?,
        last.parse().ok()?,
        complete.parse().ok()?,
    ))
}
