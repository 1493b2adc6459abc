//! The requests that are made, laid out once.

use bytes::Bytes;

use super::h1::{self, Head};
use super::load::Random;
use super::options::{Options, Part};
use super::range::{Asked, ContentRange};
use crate::h2;

/// The requests of all targets, for one worker.
#[derive(Debug)]
pub(super) struct Requests {
    targets: Vec<Prepared>,
    part: Part,
    random: Random,
    body: Bytes,
    maker: Maker,
}

/// A target's request, if it is always the same, and what is known of the target.
#[derive(Debug)]
struct Prepared {
    path: String,
    h2: h2::client::Request,
    h1: Bytes,
    /// Its length in bytes, once a range of it has told.
    complete: Option<u64>,
}

/// What all requests have in common.
#[derive(Debug)]
struct Maker {
    method: &'static str,
    scheme: &'static str,
    authority: String,
    fields: Vec<(String, String)>,
}

impl Maker {
    fn fields<'a>(&'a self, range: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
        let fields = self.fields.iter().map(|(name, value)| (&**name, &**value));
        fields.chain(range.map(|range| ("range", range))).collect()
    }

    fn h2(&self, path: &str, range: Option<&str>) -> h2::client::Request {
        let fields = self.fields(range);
        h2::client::Request::new(self.method, self.scheme, &self.authority, path, &fields)
    }

    fn h1(&self, path: &str, range: Option<&str>) -> Bytes {
        h1::request_head(self.method, path, &self.authority, &self.fields(range))
    }
}

impl Requests {
    /// Lays out what `options` ask for. `seed` decides about random ranges.
    pub(super) fn new(options: &Options, seed: u64) -> Self {
        let mut fields = options.fields.clone();
        if let Some(body) = &options.upload {
            fields.push(("content-length".to_owned(), body.len().to_string()));
        }
        let maker = Maker {
            method: match options.upload {
                Some(_) => "POST",
                None => "GET",
            },
            scheme: options.origin.scheme(),
            authority: options.origin.authority.clone(),
            fields,
        };
        let range = match &options.part {
            Part::Fixed(range) => Some(format!("bytes={range}")),
            Part::Whole | Part::Random(_) => None,
        };
        let body = options.upload.clone().unwrap_or_default();
        let targets = options.targets.iter().map(|target| Prepared {
            path: target.path.clone(),
            h2: maker
                .h2(&target.path, range.as_deref())
                .with_body(body.clone()),
            h1: maker.h1(&target.path, range.as_deref()),
            complete: None,
        });
        Self {
            targets: targets.collect(),
            part: options.part.clone(),
            random: Random::new(seed),
            body,
            maker,
        }
    }

    /// A request for `range` of a target over HTTP/2.
    pub(super) fn h2(&self, target: u32, range: Option<Asked>) -> h2::client::Request {
        let prepared = &self.targets[target as usize];
        match (&self.part, range) {
            (Part::Random(_), Some(range)) => {
                let range = format!("bytes={range}");
                self.maker
                    .h2(&prepared.path, Some(&range))
                    .with_body(self.body.clone())
            }
            _ => prepared.h2.clone(),
        }
    }

    /// A request for `range` of a target over HTTP/1.1: head and content.
    pub(super) fn h1(&self, target: u32, range: Option<Asked>) -> (Bytes, Bytes) {
        let prepared = &self.targets[target as usize];
        let head = match (&self.part, range) {
            (Part::Random(_), Some(range)) => {
                let range = format!("bytes={range}");
                self.maker.h1(&prepared.path, Some(&range))
            }
            _ => prepared.h1.clone(),
        };
        (head, self.body.clone())
    }

    /// The part that is asked for next: a random one is in another place each time, at the beginning as long as it is not
    /// known how long the target is.
    pub(super) fn next_range(&mut self, target: u32) -> Option<Asked> {
        let bytes = match self.part {
            Part::Whole => return None,
            Part::Fixed(range) => return Some(range),
            Part::Random(bytes) => bytes,
        };
        let complete = self.targets[target as usize].complete.unwrap_or(0);
        let places = complete.saturating_sub(bytes).saturating_add(1);
        let first = self.random.below(places);
        Some(Asked::Between(first, first.saturating_add(bytes - 1)))
    }

    /// Whether parts of targets are asked for.
    pub(super) fn are_ranges(&self) -> bool {
        self.part != Part::Whole
    }

    /// Learns from a response how long its target is.
    pub(super) fn learn(&mut self, target: u32, head: &Head) {
        if let Some(ContentRange {
            complete: Some(complete),
            ..
        }) = head.content_range
        {
            self.targets[target as usize].complete = Some(complete);
        }
    }

    /// Bytes of content of each request.
    pub(super) fn upload_bytes(&self) -> usize {
        self.body.len()
    }
}
