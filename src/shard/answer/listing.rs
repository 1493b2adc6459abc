//! The answer with the listing of a directory.

use super::context::Context;
use super::refusal;
use super::request::Field;
use crate::files::FileRef;
use crate::http::{Decision, EntityTag, Method, Preconditions, Representation};
use crate::listing::{CONTENT_SECURITY_POLICY, Format};
use crate::response::{Body, End, Response, Stream};
use crate::site::Carries;

/// Answers with a listing, whose body is appended piece by piece; its length is known only at its end.
pub(in crate::shard) fn listing(
    format: Format,
    etag: &EntityTag,
    context: &Context<'_>,
) -> Response<FileRef> {
    // It is HTML or JSON.
    context.request.by_accept.set(true);
    // It has no date, and is not sent in parts.
    let preconditions = Preconditions {
        if_match: context.request.get(Field::IfMatch),
        if_none_match: context.request.get(Field::IfNoneMatch),
        ..Preconditions::default()
    };
    let representation = Representation {
        etag,
        last_modified: 0,
        len: 0,
    };
    let status = match preconditions.evaluate(
        context.request.method,
        &representation,
        context.clock.now_secs,
    ) {
        Decision::PreconditionFailed => return refusal::error(412, context),
        Decision::NotModified => 304,
        _ => 200,
    };
    let mut head = context.head_of(Carries::Listing, status);
    if status == 200 {
        head.field("content-type", format.content_type().as_bytes());
        head.field(
            "content-security-policy",
            CONTENT_SECURITY_POLICY.as_bytes(),
        );
    }
    head.field("etag", etag.as_bytes());
    let body = match (status, context.request.method) {
        (200, Method::Get) => Body::Stream(Box::new(Stream::new([], End::Open))),
        _ => Body::Empty,
    };
    context.respond(head.into_bytes(), body)
}
