//! Requests: what was asked for, and whether what comes is that.

use std::ops::Range;

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

/// A request, and what has come of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Index of the file; `None` asks for what is not there.
    pub(super) file: Option<usize>,
    pub(super) range: Option<Range<u64>>,
    pub(super) end: Option<End>,
    /// Once there is a head.
    response: Option<Response>,
}

#[derive(Clone, Copy, Debug)]
struct Response {
    /// Offset in the file of the next byte; `None` when the content is something else.
    at: Option<u64>,
    /// Bytes that are still to come.
    left: u64,
}

impl Asked {
    /// Anything that a client may want of these files, with about `most` bytes in the answer.
    pub(super) fn any(random: &mut Random, most: usize, files: &[File]) -> Self {
        let method = match random.below(12) {
            0 => Method::Head,
            1 => Method::Options,
            2 => Method::Post,
            _ => Method::Get,
        };
        let file = random.below(files.len() + 1);
        let file = (file < files.len()).then_some(file);
        let len = file.map_or(0, |file| files[file].len) as usize;
        let range = (len > most || random.one_in(3)).then(|| {
            let start = random.below(len + 2) as u64;
            start..start + 1 + random.below(most.min(len + 1)) as u64
        });
        Self {
            method,
            file,
            range,
            end: None,
            response: None,
        }
    }

    pub(super) fn path(&self, files: &[File]) -> String {
        match self.file {
            Some(file) => format!("/{}", files[file].path),
            None => "/none".to_owned(),
        }
    }

    /// The value of `range`.
    pub(super) fn range(&self) -> Option<String> {
        let range = self.range.as_ref()?;
        Some(format!("bytes={}-{}", range.start, range.end - 1))
    }

    /// The head has come.
    pub(super) fn head(
        &mut self,
        status: u16,
        content_length: Option<u64>,
        content_range: Option<&[u8]>,
        files: &[File],
    ) {
        assert!(self.response.is_none(), "one head: {self:?}");
        let bodiless = self.method == Method::Head || matches!(status, 204 | 304);
        let left = content_length.filter(|_| !bodiless).unwrap_or(0);
        let file = self.file.map(|file| &files[file]);
        let mut at = None;
        let as_it_was = file.is_none_or(|file| !file.changed && !file.failed);
        let right = match (self.method, file, &self.range, status) {
            (Method::Options, ..) => matches!(status, 200 | 204),
            (Method::Post, ..) => status == 405,
            (_, None, _, _) => status == 404,
            (_, Some(file), range, 200) => {
                at = Some(0);
                let whole = content_length == Some(file.len);
                // A range of nothing but zero bytes cannot be satisfied, and HEAD has no ranges.
                let asked = range.is_none() || self.method == Method::Head;
                (whole && asked) || file.changed || file.failed
            }
            (Method::Get, Some(file), Some(range), 206) => {
                let said = content_range.and_then(parse_range).unwrap();
                at = Some(said.0);
                assert_eq!(content_length, Some(said.1 + 1 - said.0));
                let right = || (range.start, range.end.min(file.len) - 1, file.len);
                file.changed || file.failed || said == right()
            }
            (Method::Get, Some(file), Some(range), 416) => {
                range.start >= file.len || file.changed || file.failed
            }
            (_, Some(file), _, 404) => file.changed,
            (_, Some(file), _, 500 | 503) => file.failed,
            _ => false,
        };
        assert!(
            right,
            "{status}, {content_length:?} for {self:?}, {as_it_was}"
        );
        assert!(
            bodiless || content_length.is_some(),
            "all content has a length"
        );
        self.response = Some(Response { at, left });
    }

    /// Content has come.
    pub(super) fn data(&mut self, bytes: &[u8], files: &[File]) {
        let (file, response) = (self.file, self.response.as_mut());
        let response = response.expect("content follows a head");
        let len = bytes.len() as u64;
        assert!(len <= response.left, "no more than was announced");
        response.left -= len;
        if let (Some(file), Some(at)) = (file, &mut response.at) {
            let right = matches(files[file].number, *at, bytes);
            assert!(
                right,
                "wrong bytes of file {file} from {at} on, {len} of them"
            );
            *at += len;
        }
    }

    /// Bytes of content that are still to come, once there is a head.
    pub(super) fn left(&self) -> Option<u64> {
        self.response.map(|response| response.left)
    }

    /// The response has come to its end.
    pub(super) fn complete(&mut self) {
        assert_eq!(self.left(), Some(0), "all of it: {self:?}");
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
        self.file
            .is_some_and(|file| files[file].changed || files[file].failed)
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
