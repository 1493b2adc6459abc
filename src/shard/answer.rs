//! From a request and what its path led to, to a response: RFC 9110's decisions put into fields.

use std::rc::Rc;

use bytes::Bytes;

use crate::files::{FileRef, Found, OpenFile};
use crate::h2::hpack::{self, Indexing};
use crate::h2::{Body, RequestHead, Response};
use crate::http::{
    ContentRange, Decision, Method, Preconditions, Representation, Target, TargetError,
    format_http_date, target,
};

/// What of a request decides its answer, borrowed from its head.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    /// The part of the target after `?`, which a redirect keeps.
    pub(super) query: Option<&'a [u8]>,
    pub(super) preconditions: Preconditions<'a>,
}

impl<'a> Request<'a> {
    pub(super) fn of(head: &RequestHead<'a>) -> Self {
        let path = head.path();
        let query = path
            .iter()
            .position(|&byte| byte == b'?')
            .map(|at| &path[at + 1..]);
        let mut preconditions = Preconditions::default();
        for (name, value) in head.iter() {
            let field = match name {
                b"range" => &mut preconditions.range,
                b"if-none-match" => &mut preconditions.if_none_match,
                b"if-match" => &mut preconditions.if_match,
                b"if-modified-since" => &mut preconditions.if_modified_since,
                b"if-unmodified-since" => &mut preconditions.if_unmodified_since,
                b"if-range" => &mut preconditions.if_range,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        Self {
            method: Method::parse(head.method()),
            query,
            preconditions,
        }
    }
}

/// A [`Request`] that waits for its file.
pub(super) struct WaitingRequest {
    method: Method,
    query: Option<Box<[u8]>>,
    /// In the order of the fields of [`Preconditions`].
    fields: [Option<Box<[u8]>>; 6],
}

impl WaitingRequest {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let own = |field: Option<&[u8]>| field.map(Box::from);
        let p = &request.preconditions;
        Self {
            method: request.method,
            query: own(request.query),
            fields: [
                own(p.if_match),
                own(p.if_none_match),
                own(p.if_modified_since),
                own(p.if_unmodified_since),
                own(p.if_range),
                own(p.range),
            ],
        }
    }

    pub(super) fn request(&self) -> Request<'_> {
        let [
            if_match,
            if_none_match,
            if_modified_since,
            if_unmodified_since,
            if_range,
            range,
        ] = self.fields.each_ref().map(|field| field.as_deref());
        Request {
            method: self.method,
            query: self.query.as_deref(),
            preconditions: Preconditions {
                if_match,
                if_none_match,
                if_modified_since,
                if_unmodified_since,
                if_range,
                range,
            },
        }
    }
}

/// The fields that change with the clock only, encoded once a second.
pub(super) struct Clock {
    /// Seconds since the epoch.
    pub(super) now_secs: u64,
    date: Bytes,
}

impl Clock {
    pub(super) fn new(now_secs: u64) -> Self {
        let mut block = Vec::with_capacity(32);
        hpack::encode_field(
            &mut block,
            b"date",
            &format_http_date(now_secs),
            Indexing::Without,
        );
        Self {
            now_secs,
            date: block.into(),
        }
    }
}

/// Answers with what the path led to.
pub(super) fn found(
    found: &Found,
    path: &[u8],
    request: &Request<'_>,
    clock: &Clock,
) -> Response<FileRef> {
    match found {
        Found::File(file) => self::file(file, request, clock),
        Found::Directory => redirect_to_directory(path, request, clock),
    }
}

fn file(file: &Rc<OpenFile>, request: &Request<'_>, clock: &Clock) -> Response<FileRef> {
    let len = file.identity.len;
    let representation = Representation {
        etag: &file.etag,
        last_modified: file.last_modified(),
        len,
    };
    match request
        .preconditions
        .evaluate(request.method, &representation, clock.now_secs)
    {
        Decision::Full => whole(file, request, clock),
        Decision::Partial(ranges) => match ranges.single() {
            Some(range) => {
                let content_range = ContentRange::Satisfied {
                    range,
                    complete_length: len,
                };
                let mut block = head(206);
                representation_fields(&mut block, file, range.len(), clock);
                field(
                    &mut block,
                    b"content-range",
                    content_range.encode().as_bytes(),
                );
                respond(
                    block,
                    body(file, range.first, range.len(), request.method),
                    clock,
                )
            }
            // Several parts are not served: the whole representation is always a right answer (RFC 9110, 14.2).
            None => whole(file, request, clock),
        },
        Decision::NotModified => {
            let mut block = head(304);
            validators(&mut block, file, clock);
            respond(block, Body::Empty, clock)
        }
        Decision::PreconditionFailed => error(412, request.method, clock),
        Decision::RangeNotSatisfiable => {
            let content_range = ContentRange::Unsatisfied {
                complete_length: len,
            };
            let mut block = head(416);
            field(
                &mut block,
                b"content-range",
                content_range.encode().as_bytes(),
            );
            text(block, 416, request.method, clock)
        }
    }
}

fn whole(file: &Rc<OpenFile>, request: &Request<'_>, clock: &Clock) -> Response<FileRef> {
    let block = file.head.get_or_init(|| {
        let mut block = head(200);
        representation_fields(&mut block, file, file.identity.len, clock);
        field(&mut block, b"accept-ranges", b"bytes");
        block.into()
    });
    Response {
        head: [block.clone(), clock.date.clone()],
        body: body(file, 0, file.identity.len, request.method),
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

fn redirect_to_directory(path: &[u8], request: &Request<'_>, clock: &Clock) -> Response<FileRef> {
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
    if let Some(query) = request.query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    let mut block = head(301);
    field(&mut block, b"location", &location);
    text(block, 301, request.method, clock)
}

/// A method that is not served here.
pub(super) fn method_not_allowed(method: Method, clock: &Clock) -> Response<FileRef> {
    let mut block = head(405);
    field(&mut block, b"allow", Method::ALLOW.as_bytes());
    text(block, 405, method, clock)
}

/// A refusal with a short body that says what it is.
pub(super) fn error(status: u16, method: Method, clock: &Clock) -> Response<FileRef> {
    text(head(status), status, method, clock)
}

/// Resolves the target, or answers why it cannot be.
pub(super) fn resolve<'b>(
    path: &[u8],
    buffer: &'b mut Vec<u8>,
    method: Method,
    clock: &Clock,
) -> Result<Target<'b>, Response<FileRef>> {
    target::resolve(path, buffer).map_err(|refused: TargetError| {
        let status = refused.status();
        tracing::debug!(status, %refused, path = %path.escape_ascii(), "target refused");
        let mut body = refused.to_string();
        body.push('\n');
        message(head(status), body.into(), method, clock)
    })
}

fn text(block: Vec<u8>, status: u16, method: Method, clock: &Clock) -> Response<FileRef> {
    let reason = ::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let body = format!("{status} {}\n", reason.unwrap_or("Error"));
    message(block, body.into(), method, clock)
}

fn message(mut block: Vec<u8>, body: Bytes, method: Method, clock: &Clock) -> Response<FileRef> {
    field(&mut block, b"content-type", b"text/plain; charset=utf-8");
    number(&mut block, b"content-length", body.len() as u64);
    let body = if method == Method::Head {
        Body::Empty
    } else {
        Body::Bytes(body)
    };
    respond(block, body, clock)
}

fn respond(block: Vec<u8>, body: Body<FileRef>, clock: &Clock) -> Response<FileRef> {
    Response {
        head: [block.into(), clock.date.clone()],
        body,
    }
}

fn representation_fields(block: &mut Vec<u8>, file: &OpenFile, len: u64, clock: &Clock) {
    field(block, b"content-type", file.content_type.as_bytes());
    number(block, b"content-length", len);
    validators(block, file, clock);
}

fn validators(block: &mut Vec<u8>, file: &OpenFile, clock: &Clock) {
    field(block, b"etag", file.etag.as_bytes());
    // Never later than the answer itself (RFC 9110, section 8.8.2.1).
    let last_modified = file.last_modified().min(clock.now_secs);
    field(block, b"last-modified", &format_http_date(last_modified));
}

fn head(status: u16) -> Vec<u8> {
    let mut block = Vec::with_capacity(160);
    hpack::encode_status(&mut block, status);
    block
}

fn field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    hpack::encode_field(block, name, value, Indexing::Without);
}

fn number(block: &mut Vec<u8>, name: &[u8], value: u64) {
    field(block, name, value.to_string().as_bytes());
}
