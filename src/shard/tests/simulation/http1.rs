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
        if let Some(range) = asked.range() {
            head += &format!("Range: {range}\r\n");
        }
        // Content that is not read may end the connection, and then who knows.
        if asked.method == Method::Post {
            head += "Content-Length: 0\r\n";
        }
        if random.one_in(3) {
            head += "User-Agent: a, or b\r\n";
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
                let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
                let mut head = httparse::Response::new(&mut fields);
                let httparse::Status::Complete(len) = head.parse(rest).unwrap_or_else(|error| {
                    panic!(
                        "{error} in {:?}",
                        rest[..rest.len().min(300)].escape_ascii().to_string()
                    )
                }) else {
                    self.input = rest.to_vec();
                    return;
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
                asked.head(status, length, range, files);
                rest = &rest[len..];
            }
            let left = usize::try_from(asked.left().unwrap()).unwrap();
            let (data, after) = rest.split_at(left.min(rest.len()));
            asked.data(data, files);
            rest = after;
            if asked.left() != Some(0) {
                return;
            }
            asked.complete();
            self.at += 1;
        }
    }
}
