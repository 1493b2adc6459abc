//! What an answer is made from, and how its head is begun and ended.

use bytes::Bytes;

use super::head::{Clock, Head, put_field, reason};
use super::request::{Field, Request};
use crate::files::FileRef;
use crate::http::Method;
use crate::response::{Body, Response};
use crate::site::{Carries, CorsRequest, Treatment};

/// A request, and what the rules say of what it asks for.
#[derive(Clone, Copy)]
pub(in crate::shard) struct Context<'a> {
    pub(in crate::shard) request: &'a Request<'a>,
    pub(in crate::shard) treatment: &'a Treatment,
    pub(in crate::shard) clock: &'a Clock,
    /// Whether Accept-Encoding decides on the answer.
    pub(in crate::shard) varies: bool,
}

impl<'a> Context<'a> {
    /// The head of an answer that carries neither the file nor a listing.
    pub(super) fn head(&self, status: u16) -> Head<'a> {
        self.head_of(Carries::Nothing, status)
    }

    pub(super) fn head_of(&self, carries: Carries, status: u16) -> Head<'a> {
        Head::new(
            self.request.version,
            status,
            carries,
            &self.treatment.fields,
        )
    }

    /// A response with what changes from request to request behind a head that may have been kept.
    pub(super) fn respond(&self, head: Bytes, body: Body<FileRef>) -> Response<FileRef> {
        Response {
            head: [head, self.tail()],
            body,
        }
    }

    fn tail(&self) -> Bytes {
        let date = self.clock.date(self.request.version, self.varies);
        let by_accept = self.request.by_accept.get();
        if !by_accept && self.treatment.cors.is_none() {
            return date;
        }
        let mut tail = Vec::from(date);
        let mut put =
            |name: &str, value| put_field(&mut tail, self.request.version, name.as_bytes(), value);
        if by_accept {
            put("vary", b"accept");
        }
        if let Some(cors) = &self.treatment.cors {
            let answer = cors.answer(self.request.method, &self.cors_request());
            if !answer.vary.is_empty() {
                put("vary", answer.vary.as_bytes());
            }
            for (name, value) in answer.fields() {
                put(name, value);
            }
        }
        tail.into()
    }

    pub(in crate::shard) fn cors_request(&self) -> CorsRequest<'a> {
        CorsRequest {
            origin: self.request.get(Field::Origin),
            request_method: self.request.get(Field::AccessControlRequestMethod),
            request_headers: self.request.get(Field::AccessControlRequestHeaders),
        }
    }

    /// Ends a head with a short text as its body.
    pub(super) fn text(&self, mut head: Head<'a>, text: Bytes) -> Response<FileRef> {
        head.field("content-type", b"text/plain; charset=utf-8");
        head.number("content-length", text.len() as u64);
        let body = match self.request.method {
            Method::Head => Body::Empty,
            _ => Body::Bytes(text),
        };
        self.respond(head.into_bytes(), body)
    }

    /// Ends a head with the status in words, and why, as its body.
    pub(super) fn say(&self, head: Head<'a>, status: u16, why: &str) -> Response<FileRef> {
        let text = format!("{status} {}: {why}\n", reason(status));
        self.text(head, text.into())
    }
}
