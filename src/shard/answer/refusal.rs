//! Answers without a file: redirects, and refusals with a short body that says why.

use bytes::Bytes;

use super::head::{Clock, Head, reason};
use super::request::Request;
use crate::files::FileRef;
use crate::http::{Method, Target, TargetError, target};
use crate::response::{Body, Response};

/// Sends the client to the same path with a slash, so that what the directory's page names is found relative to it.
pub(super) fn redirect_to_directory(
    path: &[u8],
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
    // What may not stand in a path (RFC 3986, section 3.3), and `%` itself.
    const NOT_IN_PATH: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b'\\')
        .add(b']')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    // Made from the resolved path, never from the target as sent: `//host/` would lead away.
    let mut location = format!("/{}/", percent_encode(path, NOT_IN_PATH)).into_bytes();
    if let Some(query) = request.query() {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    let mut head = Head::new(request.version, 301);
    head.field(b"location", &location);
    with_reason(head, 301, request, clock)
}

/// A method that is not served here.
pub(in crate::shard) fn method_not_allowed(
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    let mut head = Head::new(request.version, 405);
    head.field(b"allow", Method::ALLOW.as_bytes());
    with_reason(head, 405, request, clock)
}

/// A refusal that needs no field of its own.
pub(in crate::shard) fn error(
    status: u16,
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    with_reason(Head::new(request.version, status), status, request, clock)
}

/// Resolves the target, or answers why it cannot be.
pub(in crate::shard) fn resolve<'b>(
    buffer: &'b mut Vec<u8>,
    request: &Request<'_>,
    clock: &Clock,
) -> Result<Target<'b>, Response<FileRef>> {
    target::resolve(request.target, buffer).map_err(|refused: TargetError| {
        let status = refused.status();
        tracing::debug!(status, %refused, path = %request.target.escape_ascii(), "target refused");
        let mut text = refused.to_string();
        text.push('\n');
        message(
            Head::new(request.version, status),
            text.into(),
            request,
            clock,
        )
    })
}

/// Ends a head with the status in words as its body.
pub(super) fn with_reason(
    head: Head,
    status: u16,
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    let text = format!("{status} {}\n", reason(status));
    message(head, text.into(), request, clock)
}

fn message(mut head: Head, text: Bytes, request: &Request<'_>, clock: &Clock) -> Response<FileRef> {
    head.field(b"content-type", b"text/plain; charset=utf-8");
    head.number(b"content-length", text.len() as u64);
    Response {
        head: [head.into_bytes(), clock.date(request.version)],
        body: match request.method {
            Method::Head => Body::Empty,
            _ => Body::Bytes(text),
        },
    }
}
