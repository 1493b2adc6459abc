//! The answer with a file: whole, in part, or not at all since the client has it (RFC 9110, sections 13 and 14).

use bytes::Bytes;

use super::context::Context;
use super::head::{Head, put_field};
use super::refusal;
use super::request::Version;
use super::variant::Variant;
use crate::files::FileRef;
use crate::http::{
    ByteRange, ContentRange, Decision, Digest, Method, MultipartByteRanges, Ranges,
    format_http_date,
};
use crate::response::{Body, End, Response, Segment, Stream};
use crate::site::Carries;

/// The digests that go with an answer (RFC 9530).
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::shard) struct Digests {
    /// Of the representation.
    pub(in crate::shard) repr: Option<Digest>,
    /// Of the content of this one message.
    pub(in crate::shard) content: Option<Digest>,
    /// The names of those that follow the content, as Trailer says them; the body's end is left open for them.
    pub(in crate::shard) trailer: Option<&'static str>,
}

impl Digests {
    pub(in crate::shard) fn is_none(&self) -> bool {
        self.repr.is_none() && self.content.is_none() && self.trailer.is_none()
    }

    fn put(&self, head: &mut Head<'_>) {
        if let Some(digest) = self.repr {
            head.field("repr-digest", digest.field_value().as_bytes());
        }
        if let Some(digest) = self.content {
            head.field("content-digest", digest.field_value().as_bytes());
        }
        if let Some(names) = self.trailer {
            head.field("trailer", names.as_bytes());
        }
    }
}

/// The trailer section that carries digests, as the protocol encodes it.
pub(in crate::shard) fn trailers(digests: &Digests, version: Version) -> Bytes {
    let mut block = Vec::new();
    for (name, digest) in [
        (&b"repr-digest"[..], digests.repr),
        (b"content-digest", digests.content),
    ] {
        if let Some(digest) = digest {
            put_field(&mut block, version, name, digest.field_value().as_bytes());
        }
    }
    block.into()
}

/// What of a file a request gets.
pub(in crate::shard) fn decide(variant: &Variant, context: &Context<'_>) -> Decision {
    let etag = variant.etag();
    context.request.preconditions().evaluate(
        context.request.method,
        &variant.representation(&etag),
        context.clock.now_secs,
    )
}

/// Answers with a file, whole, in part, or not at all.
pub(in crate::shard) fn file(
    variant: &Variant,
    decision: &Decision,
    digests: &Digests,
    context: &Context<'_>,
) -> Response<FileRef> {
    match decision {
        Decision::Full => whole(variant, digests, context),
        Decision::Partial(ranges) => match ranges.single() {
            Some(range) => part(variant, range, digests, context),
            // A range that is not worth its own part is answered with the whole (RFC 9110, section 14.2).
            None => parts(variant, ranges, digests, context).unwrap_or_else(|| {
                let whole_too = Digests {
                    content: None,
                    ..*digests
                };
                whole(variant, &whole_too, context)
            }),
        },
        Decision::NotModified => {
            let mut head = context.head(304);
            validators(&mut head, variant, context);
            context.respond(head.into_bytes(), Body::Empty)
        }
        Decision::PreconditionFailed => refusal::error(412, context),
        Decision::RangeNotSatisfiable => {
            let content_range = ContentRange::Unsatisfied {
                complete_length: variant.len(),
            };
            let mut head = context.head(416);
            head.field("content-range", content_range.encode().as_bytes());
            refusal::log(416, context, &"the range lies outside of the file");
            context.say(head, 416, "the file has no such bytes")
        }
    }
}

/// Answers with a file that stands for an error: whole and under that status, whatever the conditions of the request.
pub(in crate::shard) fn page(
    status: u16,
    variant: &Variant,
    context: &Context<'_>,
) -> Response<FileRef> {
    let mut head = refusal::head_of_error(status, context);
    head.field("content-type", variant.base.content_type.as_bytes());
    head.number("content-length", variant.len());
    refusal::log(status, context, &"answered with a page");
    let body = body(variant, 0, variant.len(), context.request.method);
    context.respond(head.into_bytes(), body)
}

fn whole(variant: &Variant, digests: &Digests, context: &Context<'_>) -> Response<FileRef> {
    let make = || {
        let mut head = context.head_of(Carries::File, 200);
        head.field("content-type", variant.base.content_type.as_bytes());
        // HTTP/1.1 has no place for trailers behind a content whose length was said.
        if digests.trailer.is_none() || context.request.version == Version::Http2 {
            head.number("content-length", variant.len());
        }
        validators(&mut head, variant, context);
        coding(&mut head, variant);
        head.field("accept-ranges", b"bytes");
        digests.put(&mut head);
        head.into_bytes()
    };
    // A Last-Modified in the future is cut to now (RFC 9110, section 8.8.2.1): such a head is not kept.
    let of_the_past = variant.file().last_modified() <= context.clock.now_secs;
    let head = match variant.heads() {
        Some(heads) if digests.is_none() && of_the_past => heads[context.request.version as usize]
            .get_or_init(make)
            .clone(),
        _ => make(),
    };
    let len = variant.len();
    if digests.trailer.is_some() {
        let body = Stream::new([variant.segment(0, len)], End::Open);
        return context.respond(head, Body::Stream(Box::new(body)));
    }
    context.respond(head, body(variant, 0, len, context.request.method))
}

fn body(variant: &Variant, offset: u64, len: u64, method: Method) -> Body<FileRef> {
    match method {
        Method::Head => Body::Empty,
        _ => variant.body(offset, len),
    }
}

/// One range: the content is its bytes (RFC 9110, section 15.3.7.1).
fn part(
    variant: &Variant,
    range: ByteRange,
    digests: &Digests,
    context: &Context<'_>,
) -> Response<FileRef> {
    let content_range = ContentRange::Satisfied {
        range,
        complete_length: variant.len(),
    };
    let mut head = context.head_of(Carries::File, 206);
    head.field("content-type", variant.base.content_type.as_bytes());
    head.number("content-length", range.len());
    validators(&mut head, variant, context);
    coding(&mut head, variant);
    head.field("content-range", content_range.encode().as_bytes());
    digests.put(&mut head);
    let body = body(variant, range.first, range.len(), context.request.method);
    context.respond(head.into_bytes(), body)
}

/// Several ranges, each a part of its own (RFC 9110, section 15.3.7.2).
fn parts(
    variant: &Variant,
    ranges: &Ranges,
    digests: &Digests,
    context: &Context<'_>,
) -> Option<Response<FileRef>> {
    let mut nonce = [0; 16];
    // Without random numbers there is no boundary that a file could not hold.
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let multipart = MultipartByteRanges::new(
        ranges,
        variant.base.content_type.as_bytes(),
        variant.len(),
        u128::from_le_bytes(nonce),
    )?;
    let mut segments = Vec::with_capacity(2 * multipart.parts().len() + 1);
    for (index, range) in multipart.parts().iter().enumerate() {
        let mut header = Vec::with_capacity(160);
        multipart.put_part_header(index, &mut header);
        segments.push(Segment::Bytes(header.into()));
        segments.push(variant.segment(range.first, range.len()));
    }
    let mut closing = Vec::with_capacity(40);
    multipart.put_closing_delimiter(&mut closing);
    segments.push(Segment::Bytes(closing.into()));

    let mut head = context.head_of(Carries::File, 206);
    head.field("content-type", multipart.content_type().as_bytes());
    head.number("content-length", multipart.content_length());
    validators(&mut head, variant, context);
    coding(&mut head, variant);
    digests.put(&mut head);
    let body = Body::Stream(Box::new(Stream::new(segments, End::Done)));
    Some(context.respond(head.into_bytes(), body))
}

fn coding(head: &mut Head<'_>, variant: &Variant) {
    if let Some(coding) = variant.coding() {
        head.field("content-encoding", coding.token().as_bytes());
    }
}

fn validators(head: &mut Head<'_>, variant: &Variant, context: &Context<'_>) {
    head.field("etag", variant.etag().as_bytes());
    // Never later than the answer itself (RFC 9110, section 8.8.2.1).
    let last_modified = variant.file().last_modified().min(context.clock.now_secs);
    head.field("last-modified", &format_http_date(last_modified));
}
