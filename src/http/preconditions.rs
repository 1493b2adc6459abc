//! Conditional requests (RFC 9110 section 13), evaluated in the order of section 13.2.2.

use super::date::parse_http_date;
use super::etag::{Comparison, EntityTag};
use super::method::Method;
use super::range::{self, RangeOutcome, Ranges};

/// The conditional fields of a request and its `Range`, as received; `None` for a field that is absent.
///
/// The lines of a field that came more than once are joined by commas before (section 5.3). That makes one list of
/// those of `If-Match` and of `If-None-Match`. Of the others it makes a value that breaks their grammar, with what
/// each of them says of that: a date that appears to be a list is ignored (sections 13.1.3 and 13.1.4), so is `Range`,
/// and `If-Range` is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preconditions<'a> {
    /// Section 13.1.1.
    pub if_match: Option<&'a [u8]>,
    /// Section 13.1.2.
    pub if_none_match: Option<&'a [u8]>,
    /// Section 13.1.3.
    pub if_modified_since: Option<&'a [u8]>,
    /// Section 13.1.4.
    pub if_unmodified_since: Option<&'a [u8]>,
    /// Section 13.1.5.
    pub if_range: Option<&'a [u8]>,
    /// Section 14.2.
    pub range: Option<&'a [u8]>,
}

/// The selected representation: what the conditions are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Representation<'a> {
    /// Its entity tag, which is strong.
    pub etag: &'a EntityTag,
    /// Its modification time, in whole seconds since 1970 as `Last-Modified` says it.
    pub last_modified: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // In place on purpose: half a kilobyte on the stack, nothing on the heap.
pub enum Decision {
    /// 200 with the whole representation.
    Full,
    /// 206 with these ranges, merged, so that none overlap.
    Partial(Ranges),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeNotSatisfiable,
}

impl Preconditions<'_> {
    /// Evaluates the fields for a representation that exists, and would be answered with 200 without them
    /// (section 13.2.1). `now_secs` is the time of the answer, in seconds since 1970.
    pub fn evaluate(
        &self,
        method: Method,
        representation: &Representation<'_>,
        now_secs: u64,
    ) -> Decision {
        // Section 13.2.1: ignored for methods that select no representation.
        if method == Method::Options {
            return Decision::Full;
        }

        // Steps 1 and 2. If-Match, even a broken one, hides If-Unmodified-Since; a broken date is as good as none.
        let unchanged = match self.if_match {
            Some(field) => representation.etag.matches_list(field, Comparison::Strong),
            None => self
                .if_unmodified_since
                .and_then(parse_http_date)
                .is_none_or(|date| representation.last_modified <= date),
        };
        if !unchanged {
            return Decision::PreconditionFailed;
        }

        // Steps 3 and 4. If-None-Match hides If-Modified-Since, which is for GET and HEAD alone.
        match self.if_none_match {
            Some(field) if representation.etag.matches_list(field, Comparison::Weak) => {
                return match method.is_retrieval() {
                    true => Decision::NotModified,
                    false => Decision::PreconditionFailed,
                };
            }
            Some(_) => {}
            None => {
                let since = self.if_modified_since.and_then(parse_http_date);
                if method.is_retrieval()
                    && since.is_some_and(|date| representation.last_modified <= date)
                {
                    return Decision::NotModified;
                }
            }
        }

        // Step 5. Range is defined for GET alone (section 14.2), and If-Range means nothing without it.
        if method != Method::Get || !self.range_applies(representation, now_secs) {
            return Decision::Full;
        }
        match range::resolve(self.range, representation.len) {
            RangeOutcome::Whole => Decision::Full,
            RangeOutcome::Satisfiable(ranges) => Decision::Partial(ranges.merged()),
            RangeOutcome::Unsatisfiable => Decision::RangeNotSatisfiable,
        }
    }

    /// Whether If-Range (section 13.1.5) is absent or true.
    fn range_applies(&self, representation: &Representation<'_>, now_secs: u64) -> bool {
        let Some(field) = self.if_range else {
            return true;
        };
        if let Some(matches) = representation.etag.matches_if_range(field) {
            return matches;
        }
        // A date must be equal, not merely no earlier, and a strong validator. Section 8.8.2.2 calls it strong at
        // the origin server where the representation cannot have changed twice in that second: certainly not
        // while the second still runs (or lies ahead), as the next write would leave the date as it is.
        let strong = representation.last_modified < now_secs;
        strong && parse_http_date(field) == Some(representation.last_modified)
    }
}

#[cfg(test)]
#[path = "preconditions_tests.rs"]
mod tests;
