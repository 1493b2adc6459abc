//! One request and its response, from the moment that a connection has it.

use super::feed::Job;
use super::h1::Head;
use super::range::Asked;
use super::result::{ErrorKind, MismatchKind};
use super::verify::{Check, Verifier};

/// A request in flight.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) job: Job,
    /// When a connection was first given it.
    pub(super) started_ns: u64,
    /// When the response's head came; 0 before.
    pub(super) first_ns: u64,
    /// When anything of the response came last.
    pub(super) progress_ns: u64,
    status: u16,
    /// The range that was asked for.
    asked: Option<Asked>,
    /// Something else came.
    range_ignored: bool,
    verifier: Option<Box<Verifier>>,
}

impl Exchange {
    pub(super) fn new(job: Job, asked: Option<Asked>, now_ns: u64) -> Self {
        Self {
            job,
            // Whoever asks waits from the first time on.
            started_ns: match job.refusals {
                0 => now_ns,
                _ => job.made_ns,
            },
            first_ns: 0,
            progress_ns: now_ns,
            status: 0,
            asked,
            range_ignored: false,
            verifier: None,
        }
    }

    /// The response's head came.
    pub(super) fn head(&mut self, head: &Head, check: &Check, now_ns: u64) {
        self.first_ns = now_ns;
        self.progress_ns = now_ns;
        self.status = head.status;
        if head.status >= 400 {
            return;
        }
        let range = head.content_range.filter(|_| head.status == 206);
        let is_other = |asked: Asked| !range.is_some_and(|range| asked.is(&range));
        self.range_ignored = self.asked.is_some_and(is_other);
        let offset = range.map_or(0, |range| range.first);
        let len = range.map(|range| range.len());
        self.verifier = check.begin(offset, len);
    }

    /// Some of the response's content came.
    pub(super) fn data(&mut self, data: &[u8], now_ns: u64) {
        self.progress_ns = now_ns;
        if let Some(verifier) = &mut self.verifier {
            verifier.take(data);
        }
    }

    /// The response is whole: whether it is as it should be, and what is wrong with its body.
    pub(super) fn end(self) -> Result<(), (ErrorKind, Option<MismatchKind>)> {
        if self.status >= 400 {
            let status = self.status;
            return Err((ErrorKind::Status { status }, None));
        }
        if self.range_ignored {
            return Err((ErrorKind::RangeIgnored, None));
        }
        match self.verifier.and_then(|verifier| verifier.end()) {
            Some(mismatch) => Err((ErrorKind::Mismatch, Some(mismatch))),
            None => Ok(()),
        }
    }

    /// Whether a byte of what came is known to be wrong.
    pub(super) fn is_wrong(&self) -> bool {
        let verifier = self.verifier.as_deref();
        verifier.is_some_and(Verifier::is_wrong)
    }

    /// The wrong byte among what came, if one is known.
    pub(super) fn take_wrong(&mut self) -> Option<MismatchKind> {
        self.verifier
            .as_mut()
            .and_then(|verifier| verifier.take_wrong())
    }

    /// Why it ends when its connection does.
    pub(super) fn cut(&self) -> ErrorKind {
        match self.first_ns {
            0 => ErrorKind::Closed,
            _ => ErrorKind::ShortBody,
        }
    }
}
