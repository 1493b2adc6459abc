//! Answers without a file: redirects, and refusals with a short body that says why.

use percent_encoding::percent_encode;

use super::context::Context;
use super::head::Head;
use crate::files::FileRef;
use crate::http::{Method, TargetError};
use crate::response::{Body, Response};
use crate::site::{NOT_IN_PATH, Redirection};

/// Sends the client to the same path with a slash, so that what the directory's page names is found relative to it.
pub(in crate::shard) fn redirect_to_directory(
    path: &[u8],
    context: &Context<'_>,
) -> Response<FileRef> {
    // Made from the resolved path, never from the target as sent: `//host/` would lead away.
    let mut location = format!("/{}/", percent_encode(path, NOT_IN_PATH)).into_bytes();
    if let Some(query) = context.request.query() {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    let mut head = context.head(301);
    head.field("location", &location);
    context.say(head, 301, "this is a directory, its path ends in a slash")
}

/// What a rule says instead of looking for a file.
pub(in crate::shard) fn redirect(
    redirection: &Redirection,
    context: &Context<'_>,
) -> Response<FileRef> {
    let mut location = Vec::new();
    redirection.location(context.request.query(), &mut location);
    let mut head = context.head(redirection.status());
    head.field("location", &location);
    let text = [&location[..], b"\n"].concat();
    context.text(head, text.into())
}

/// The answer to OPTIONS, a browser's question about cross-origin requests among them.
pub(in crate::shard) fn options(context: &Context<'_>) -> Response<FileRef> {
    let mut head = context.head(204);
    head.field("allow", Method::ALLOW.as_bytes());
    context.respond(head.into_bytes(), Body::Empty)
}

/// A refusal that needs no field of its own but what its status asks for.
pub(in crate::shard) fn error(status: u16, context: &Context<'_>) -> Response<FileRef> {
    let why = match status {
        403 => "the server may not read this",
        404 => "there is no such file here",
        405 => "files are only read here",
        412 => "the file is not the one that the request is about",
        416 => "the file has no such bytes",
        421 => "no site of that name is served on this connection",
        503 => "the server is out of file descriptors or memory, try again",
        _ => "the file could not be read",
    };
    log(status, context, &why);
    context.say(head_of_error(status, context), status, why)
}

/// The head of an error with what its status asks for, whatever stands behind it.
pub(super) fn head_of_error<'a>(status: u16, context: &Context<'a>) -> Head<'a> {
    let mut head = context.head(status);
    match status {
        405 => head.field("allow", Method::ALLOW.as_bytes()),
        503 => head.field("retry-after", b"1"),
        _ => {}
    }
    head
}

/// Why a target leads nowhere.
pub(in crate::shard) fn bad_target(
    refused: TargetError,
    context: &Context<'_>,
) -> Response<FileRef> {
    let status = refused.status();
    log(status, context, &refused);
    context.say(context.head(status), status, &refused.to_string())
}

/// Every refusal leaves a line. Not louder: who wants to fill the log only has to ask for what is not there.
pub(super) fn log(status: u16, context: &Context<'_>, why: &dyn std::fmt::Display) {
    tracing::debug!(
        status,
        authority = %context.request.authority.escape_ascii(),
        target = %context.request.target.escape_ascii(),
        "refused: {why}"
    );
}
