//! The answer with a file: whole, in part, or not at all since the client has it (RFC 9110, sections 13 and 14).

use std::rc::Rc;

use super::context::Context;
use super::head::Head;
use super::refusal;
use crate::files::{FileRef, OpenFile};
use crate::http::{
    ByteRange, ContentRange, Decision, Method, MultipartByteRanges, Ranges, Representation,
    format_http_date,
};
use crate::response::{Body, End, Response, Segment, Stream};

/// Answers with a file, whole, in part, or not at all.
pub(in crate::shard) fn file(file: &Rc<OpenFile>, context: &Context<'_>) -> Response<FileRef> {
    let len = file.identity.len;
    let representation = Representation {
        etag: &file.etag,
        last_modified: file.last_modified(),
        len,
    };
    let request = context.request;
    let decision =
        request
            .preconditions()
            .evaluate(request.method, &representation, context.clock.now_secs);
    match decision {
        Decision::Full => whole(file, context),
        Decision::Partial(ranges) => match ranges.single() {
            Some(range) => part(file, range, context),
            // A range that is not worth its own part is answered with the whole (RFC 9110, section 14.2).
            None => parts(file, &ranges, context).unwrap_or_else(|| whole(file, context)),
        },
        Decision::NotModified => {
            let mut head = context.head(304);
            validators(&mut head, file, context);
            context.respond(head.into_bytes(), Body::Empty)
        }
        Decision::PreconditionFailed => refusal::error(412, context),
        Decision::RangeNotSatisfiable => {
            let content_range = ContentRange::Unsatisfied {
                complete_length: len,
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
    file: &Rc<OpenFile>,
    context: &Context<'_>,
) -> Response<FileRef> {
    let len = file.identity.len;
    let mut head = context.head(status);
    head.field("content-type", file.content_type.as_bytes());
    head.number("content-length", len);
    if status == 405 {
        head.field("allow", Method::ALLOW.as_bytes());
    }
    refusal::log(status, context, &"answered with a page");
    context.respond(
        head.into_bytes(),
        body(file, 0, len, context.request.method),
    )
}

fn whole(file: &Rc<OpenFile>, context: &Context<'_>) -> Response<FileRef> {
    let len = file.identity.len;
    let head = file.heads[context.request.version as usize].get_or_init(|| {
        let mut head = context.head(200);
        head.field("content-type", file.content_type.as_bytes());
        head.number("content-length", len);
        validators(&mut head, file, context);
        head.field("accept-ranges", b"bytes");
        head.into_bytes()
    });
    context.respond(head.clone(), body(file, 0, len, context.request.method))
}

/// One range: the content is its bytes (RFC 9110, section 15.3.7.1).
fn part(file: &Rc<OpenFile>, range: ByteRange, context: &Context<'_>) -> Response<FileRef> {
    let content_range = ContentRange::Satisfied {
        range,
        complete_length: file.identity.len,
    };
    let mut head = context.head(206);
    head.field("content-type", file.content_type.as_bytes());
    head.number("content-length", range.len());
    validators(&mut head, file, context);
    head.field("content-range", content_range.encode().as_bytes());
    context.respond(
        head.into_bytes(),
        body(file, range.first, range.len(), context.request.method),
    )
}

/// Several ranges, each a part of its own (RFC 9110, section 15.3.7.2).
fn parts(file: &Rc<OpenFile>, ranges: &Ranges, context: &Context<'_>) -> Option<Response<FileRef>> {
    let mut nonce = [0; 16];
    // Without random numbers there is no boundary that a file could not hold.
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let multipart = MultipartByteRanges::new(
        ranges,
        file.content_type.as_bytes(),
        file.identity.len,
        u128::from_le_bytes(nonce),
    )?;
    let mut segments = Vec::with_capacity(2 * multipart.parts().len() + 1);
    for (index, range) in multipart.parts().iter().enumerate() {
        let mut header = Vec::with_capacity(160);
        multipart.put_part_header(index, &mut header);
        segments.push(Segment::Bytes(header.into()));
        segments.push(segment(file, range.first, range.len()));
    }
    let mut closing = Vec::with_capacity(40);
    multipart.put_closing_delimiter(&mut closing);
    segments.push(Segment::Bytes(closing.into()));

    let mut head = context.head(206);
    head.field("content-type", multipart.content_type().as_bytes());
    head.number("content-length", multipart.content_length());
    validators(&mut head, file, context);
    let body = Body::Stream(Box::new(Stream::new(segments, End::Done)));
    Some(context.respond(head.into_bytes(), body))
}

fn segment(file: &Rc<OpenFile>, offset: u64, len: u64) -> Segment<FileRef> {
    match &file.contents {
        Some(contents) => Segment::Bytes(contents.slice(offset as usize..(offset + len) as usize)),
        None => Segment::File {
            file: FileRef(Rc::clone(file)),
            offset,
            len,
        },
    }
}

fn body(file: &Rc<OpenFile>, offset: u64, len: u64, method: Method) -> Body<FileRef> {
    if method == Method::Head || len == 0 {
        return Body::Empty;
    }
    match &file.contents {
        Some(contents) => {
            let (from, to) = (offset as usize, (offset + len) as usize);
            Body::Bytes(contents.slice(from..to))
        }
        None => Body::File {
            file: FileRef(Rc::clone(file)),
            offset,
            len,
        },
    }
}

fn validators(head: &mut Head<'_>, file: &OpenFile, context: &Context<'_>) {
    head.field("etag", file.etag.as_bytes());
    // Never later than the answer itself (RFC 9110, section 8.8.2.1).
    let last_modified = file.last_modified().min(context.clock.now_secs);
    head.field("last-modified", &format_http_date(last_modified));
}
