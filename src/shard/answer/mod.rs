//! From a request and what its path led to, to a response: RFC 9110's decisions put into fields.

mod file;
mod head;
mod refusal;
mod request;

pub(super) use head::Clock;
pub(super) use refusal::{error, method_not_allowed, resolve};
pub(super) use request::{Request, Version, WaitingRequest};

use crate::files::{FileRef, Found};
use crate::response::Response;

/// Answers with what the path led to.
pub(super) fn found(
    found: &Found,
    path: &[u8],
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    match found {
        Found::File(file) => file::file(file, request, clock),
        Found::Directory => refusal::redirect_to_directory(path, request, clock),
    }
}
