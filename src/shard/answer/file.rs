//! The answer with a file: whole, in part, or not at all since the client has it (RFC 9110, sections 13 and 14).

use std::rc::Rc;

use super::head::{Clock, Head};
use super::refusal;
use super::request::Request;
use crate::files::{FileRef, OpenFile};
use crate::http::{
    ByteRange, ContentRange, Decision, Method, MultipartByteRanges, Ranges, Representation,
    format_http_date,
};
use crate::response::{Body, End, Response, Segment, Stream};

pub(super) fn file(file: &Rc<OpenFile>, request: &Request<'_>, clock: &Clock) -> Response<FileRef> {
    let len = file.identity.len;
    let representation = Representation {
        etag: &file.etag,
        last_modified: file.last_modified(),
        len,
    };
    let decision =
        request
            .preconditions()
            .evaluate(request.method, &representation, clock.now_secs);
    match decision {
        Decision::Full => whole(file, request, clock),
        Decision::Partial(ranges) => match ranges.single() {
            Some(range) => part(file, range, request, clock),
            // A range that is not worth its own part is answered with the whole (RFC 9110, section 14.2).
            None => {
                parts(file, &ranges, request, clock).unwrap_or_else(|| whole(file, request, clock))
            }
        },
        Decision::NotModified => {
            let mut head = Head::new(request.version, 304);
            validators(&mut head, file, clock);
            Response {
                head: [head.into_bytes(), clock.date(request.version)],
                body: Body::Empty,
            }
        }
        Decision::PreconditionFailed => refusal::error(412, request, clock),
        Decision::RangeNotSatisfiable => {
            let content_range = ContentRange::Unsatisfied {
                complete_length: len,
            };
            let mut head = Head::new(request.version, 416);
            head.field(b"content-range", content_range.encode().as_bytes());
            refusal::with_reason(head, 416, request, clock)
        }
    }
}

fn whole(file: &Rc<OpenFile>, request: &Request<'_>, clock: &Clock) -> Response<FileRef> {
    let head = file.heads[request.version as usize].get_or_init(|| {
        let mut head = Head::new(request.version, 200);
        representation_fields(&mut head, file, file.identity.len, clock);
        head.field(b"accept-ranges", b"bytes");
        head.into_bytes()
    });
    Response {
        head: [head.clone(), clock.date(request.version)],
        body: body(file, 0, file.identity.len, request.method),
    }
}

/// One range: the content is its bytes (RFC 9110, section 15.3.7.1).
fn part(
    file: &Rc<OpenFile>,
    range: ByteRange,
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    let content_range = ContentRange::Satisfied {
        range,
        complete_length: file.identity.len,
    };
    let mut head = Head::new(request.version, 206);
    head.field(b"content-type", file.content_type.as_bytes());
    head.number(b"content-length", range.len());
    validators(&mut head, file, clock);
    head.field(b"content-range", content_range.encode().as_bytes());
    Response {
        head: [head.into_bytes(), clock.date(request.version)],
        body: body(file, range.first, range.len(), request.method),
    }
}

/// Several ranges, each a part of its own (RFC 9110, section 15.3.7.2).
fn parts(
    file: &Rc<OpenFile>,
    ranges: &Ranges,
    request: &Request<'_>,
    clock: &Clock,
) -> Option<Response<FileRef>> {
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

    let mut head = Head::new(request.version, 206);
    head.field(b"content-type", multipart.content_type().as_bytes());
    head.number(b"content-length", multipart.content_length());
    validators(&mut head, file, clock);
    Some(Response {
        head: [head.into_bytes(), clock.date(request.version)],
        body: Body::Stream(Box::new(Stream::new(segments, End::Done))),
    })
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

fn representation_fields(head: &mut Head, file: &OpenFile, len: u64, clock: &Clock) {
    head.field(b"content-type", file.content_type.as_bytes());
    head.number(b"content-length", len);
    validators(head, file, clock);
}

fn validators(head: &mut Head, file: &OpenFile, clock: &Clock) {
    head.field(b"etag", file.etag.as_bytes());
    // Never later than the answer itself (RFC 9110, section 8.8.2.1).
    let last_modified = file.last_modified().min(clock.now_secs);
    head.field(b"last-modified", &format_http_date(last_modified));
}
