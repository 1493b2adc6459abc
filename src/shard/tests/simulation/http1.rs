//! A client of HTTP/1.1, which does not wait for an answer before it asks again.

use super::asked::{Asked, Method};
use crate::uring::simulated::Random;
use crate::uring::simulated::files::File;

/// Most fields of a response.
const MAX_FIELDS: usize = 32;

#[derive(Default)]
pub(super) struct Http1 {
    /// To be sent.
    out: Vec<u8>,
    pub(super) asked: Vec<Asked>,
    /// The first that is not answered.
    at: usize,
    input: Vec<u8>,
    body: Body,
    /// The server has said that it closes.
    pub(super) closes: bool,
}

impl Http1 {
    pub(super) fn ask(&mut self, asked: Asked, random: &mut Random, files: &[File]) {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: a\r\n",
            asked.method.name(),
            asked.path(files)
        );
        for (name, value) in asked.fields() {
            head += &format!("{name}: {value}\r\n");
        }
        // Content that is not read may end the connection, and then who knows.
        if asked.method == Method::Post {
            head += "Content-Length: 0\r\n";
        }
        if random.one_in(3) {
            head += "Accept-Language: en\r\n";
        }
        self.out.extend_from_slice(head.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.asked.push(asked);
    }

    pub(super) fn transmit(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.out);
    }

    pub(super) fn take(&mut self, bytes: &[u8], files: &[File]) {
        self.input.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        loop {
            let Some(asked) = self.asked.get_mut(self.at) else {
                assert!(rest.is_empty(), "nothing that nobody asked for");
                return;
            };
            if asked.left().is_none() {
                if memchr::memmem::find(rest, b"\r\n\r\n").is_none() {
                    self.input = rest.to_vec();
                    return;
                }
                let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
                let mut head = httparse::Response::new(&mut fields);
                let len = match head.parse(rest) {
                    Ok(httparse::Status::Complete(len)) => len,
                    other => panic!("{other:?} in {:?}", rest.escape_ascii().to_string()),
                };
                let get = |name: &str| {
                    let named =
                        |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
                    head.headers.iter().find(named).map(|field| field.value)
                };
                let length = get("content-length")
                    .map(|value| std::str::from_utf8(value).unwrap().parse().unwrap());
                self.closes |= get("connection") == Some(b"close");
                let (status, range) = (head.code.unwrap(), get("content-range"));
                let parts = get("content-type")
                    .and_then(|value| value.strip_prefix(b"multipart/byteranges; boundary="));
                asked.head(status, length, range, parts, files);
                rest = &rest[len..];
            }
            let Some(after) = self.body.take(rest, asked, files) else {
                self.input = rest.to_vec();
                return;
            };
            rest = after;
            if !self.body.is_over(asked) {
                continue;
            }
            self.body = Body::default();
            asked.complete(files);
            self.at += 1;
        }
    }
}

/// How far the content at hand is, when its length is not known before (RFC 9112, section 7.1).
#[derive(Default)]
struct Body {
    /// Bytes that are left of the chunk.
    chunk: usize,
    /// Within a chunk, or its end.
    within: bool,
    /// The last chunk was there.
    last: bool,
}

impl Body {
    fn is_over(&self, asked: &Asked) -> bool {
        asked.left() == Some(Some(0)) || self.last
    }

    /// Takes what there is of content, or a line of its framing; the rest. `None` when nothing can be taken.
    fn take<'a>(&mut self, input: &'a [u8], asked: &mut Asked, files: &[File]) -> Option<&'a [u8]> {
        let left = asked.left().flatten();
        let left = left.map_or(self.chunk, |left| usize::try_from(left).unwrap());
        if left > 0 {
            let (data, after) = input.split_at(left.min(input.len()));
            asked.data(data, files);
            self.chunk = left - data.len();
            return (!data.is_empty()).then_some(after);
        }
        if self.is_over(asked) {
            return Some(input);
        }
        let end = input.windows(2).position(|two| two == b"\r\n")?;
        let (line, after) = (&input[..end], &input[end + 2..]);
        if std::mem::replace(&mut self.within, true) {
            assert_eq!(line, b"", "a chunk ends where it has said");
            self.within = false;
            return Some(after);
        }
        let line = std::str::from_utf8(line).unwrap();
        self.chunk = usize::from_str_radix(line, 16).unwrap();
        if self.chunk > 0 {
            return Some(after);
        }
        // No trailers were asked for.
        let after = after.strip_prefix(b"\r\n");
        self.last = after.is_some();
        self.within = false;
        after
    }
}
