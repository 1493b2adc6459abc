//! What a client reads: responses from bytes, by an own and strict reading of the RFC.

use ringlane::h1::ConnectionError;

/// A response to a request that was not HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In order; names as they were sent.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Data bytes of each chunk.
    pub(crate) chunks: Vec<usize>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the end of the connection ended it.
    pub(crate) until_close: bool,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|field| field.0 == name);
        let value = named.next().map(|field| field.1.as_str());
        assert!(named.next().is_none(), "{name} once at most");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Asserts that it is the core's own refusal.
    pub(crate) fn refuses(&self, status: u16, error: ConnectionError) {
        assert_eq!(self.status, status, "{error:?}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        assert_eq!(self.field("connection"), Some("close"));
        assert_eq!(
            self.field("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert!(self.text().starts_with(&format!("{status} ")));
        assert!(self.text().ends_with(&format!(": {}\n", error.text())));
    }
}

/// A line without its line end.
fn line<'a>(wire: &mut &'a [u8]) -> &'a str {
    let end = wire.iter().position(|byte| *byte == b'\n').expect("a line");
    let line = wire[..end].strip_suffix(b"\r").expect("CRLF");
    *wire = &wire[end + 1..];
    let text = std::str::from_utf8(line).unwrap();
    assert!(!text.contains('\r'), "no bare CR");
    text
}

/// Field lines up to the empty line.
fn fields(wire: &mut &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    loop {
        let line = line(wire);
        if line.is_empty() {
            return fields;
        }
        let (name, value) = line.split_once(": ").expect("a field");
        let token = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(!name.is_empty() && name.chars().all(token), "{name}");
        assert_eq!(value, value.trim());
        fields.push((name.to_owned(), value.to_owned()));
    }
}

fn take<'a>(wire: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = wire.split_at_checked(len).expect("all of the content");
    *wire = rest;
    taken
}

/// The first response; `head` when the request was HEAD.
pub(crate) fn answer(wire: &mut &[u8], head: bool) -> Answer {
    let status_line = line(wire);
    let (status, reason) = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.split_once(' '))
        .expect("a status line of HTTP/1.1");
    let status: u16 = status.parse().unwrap();
    assert!((100..600).contains(&status) && !reason.is_empty());
    let mut answer = Answer {
        status,
        fields: fields(wire),
        body: Vec::new(),
        chunks: Vec::new(),
        trailers: Vec::new(),
        until_close: false,
    };
    let length = answer
        .field("content-length")
        .map(|length| length.parse::<usize>().unwrap());
    let encoding = answer.field("transfer-encoding").map(str::to_owned);
    assert!(length.is_none() || encoding.is_none(), "one of them");
    if head || matches!(status, 100..=199 | 204 | 304) {
        assert_eq!(encoding, None);
    } else if let Some(encoding) = encoding {
        assert_eq!(encoding, "chunked");
        loop {
            let size = line(wire);
            let no_more = |c: char| c.is_ascii_hexdigit() && !c.is_ascii_uppercase();
            assert!(size.chars().all(no_more) && (size == "0" || !size.starts_with('0')));
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                answer.trailers = fields(wire);
                break;
            }
            answer.body.extend_from_slice(take(wire, size));
            answer.chunks.push(size);
            assert_eq!(take(wire, 2), b"\r\n");
        }
    } else if let Some(length) = length {
        answer.body = take(wire, length).to_vec();
    } else {
        assert_eq!(answer.field("connection"), Some("close"));
        answer.until_close = true;
        answer.body = std::mem::take(wire).to_vec();
    }
    answer
}

/// All of them, none to HEAD. Nothing follows one that closes.
pub(crate) fn answers(mut wire: &[u8]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    while !wire.is_empty() {
        let closed = answers
            .last()
            .is_some_and(|last| last.field("connection") == Some("close"));
        assert!(!closed, "after the last answer: {}", wire.escape_ascii());
        answers.push(answer(&mut wire, false));
    }
    answers
}
