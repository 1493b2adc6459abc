//! The client's side: a core that is fed bytes, whose requests are noted and answered, and what it says.

use std::rc::Rc;

use bytes::Bytes;
pub(crate) use ringlane::h1::ConnectionError as E;
pub(crate) use ringlane::h1::{Body, Config, Response};
use ringlane::h1::{Connection, Event, Scheme, Scratch};
pub(crate) use ringlane::response::{End, Segment, Stream};
pub(crate) use ringlane::slot::Layout;
use ringlane::slot::{Plan, RecordLayout, Slot};

pub(crate) use crate::answers::{Answer, answers};

/// A request that every test may begin with.
pub(crate) const GET: &str = "GET /first HTTP/1.1\r\nHost: a.example\r\n\r\n";
/// What it is noted as.
pub(crate) const GOT: &str = "GET http a.example /first";

pub(crate) const SECOND: u64 = 1_000_000_000;

/// The record layout of TLS 1.3.
pub(crate) const SEALED: Layout = Layout::Sealed(RecordLayout {
    prefix: 5,
    suffix: 17,
});

/// The byte at an offset of a file.
pub(crate) fn file_byte(file: u8, offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9) >> 13) as u8 ^ file
}

/// What is done with requests when they come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answering {
    /// Each is answered with what was understood of it.
    AtOnce,
    /// The test does it.
    Later,
}

/// How slots are cut.
#[derive(Clone, Copy)]
pub(crate) struct Slots {
    pub(crate) layout: Layout,
    pub(crate) bytes: usize,
    pub(crate) burst: usize,
}

pub(crate) const SLOTS: Slots = Slots {
    layout: Layout::Gathered,
    bytes: 65_536,
    burst: 1 << 20,
};

pub(crate) struct Client {
    pub(crate) core: Connection<u8>,
    scratch: Scratch,
    answering: Answering,
    /// "METHOD scheme authority path", and " +" when there is content.
    pub(crate) requests: Vec<String>,
    /// The numbers that the core gave them.
    pub(crate) streams: Vec<u32>,
    /// What was said and not taken yet.
    wire: Vec<u8>,
    pub(crate) slots: Slots,
    /// Wire bytes of each slot.
    pub(crate) filled: Vec<usize>,
    pub(crate) now_ns: u64,
    /// Responses that ended, by the time of their requests.
    pub(crate) ended: Vec<u64>,
}

impl Client {
    pub(crate) fn new(config: Config, answering: Answering) -> Self {
        Self {
            core: Connection::new(Rc::new(config), Scheme::Http, 0),
            scratch: Scratch::default(),
            answering,
            requests: Vec::new(),
            streams: Vec::new(),
            wire: Vec::new(),
            slots: SLOTS,
            filled: Vec::new(),
            now_ns: 0,
            ended: Vec::new(),
        }
    }

    /// A client whose requests are answered with what was understood of them.
    pub(crate) fn echo() -> Self {
        Self::new(Config::default(), Answering::AtOnce)
    }

    /// A client whose requests are answered by the test.
    pub(crate) fn manual() -> Self {
        Self::new(Config::default(), Answering::Later)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut input = bytes.as_ref();
        while let Some(Event::Request {
            stream,
            head,
            end_stream,
        }) = self
            .core
            .handle_bytes(self.now_ns, &mut input, &mut self.scratch)
        {
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\'", "'");
            let request = format!(
                "{} {} {} {}{}",
                text(head.method()),
                text(head.scheme()),
                text(head.authority()),
                text(head.path()),
                if end_stream { "" } else { " +" }
            );
            if self.answering == Answering::AtOnce {
                let body = Bytes::from(request.clone());
                self.core.respond(stream, ok(Body::Bytes(body)));
            }
            self.requests.push(request);
            self.streams.push(stream);
        }
        assert!(input.is_empty(), "all input is taken");
    }

    /// Lets the time go by in steps of a second, as far as the core asks for it.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now_ns += SECOND;
            if self
                .core
                .poll_timeout()
                .is_some_and(|due| due <= self.now_ns)
            {
                self.core.handle_timeout(self.now_ns);
            }
        }
    }

    /// Fills one slot and takes it as sent.
    pub(crate) fn fill(&mut self) -> usize {
        let (mut buffer, mut plan) = (vec![0; self.slots.bytes], Plan::default());
        let Slots { layout, burst, .. } = self.slots;
        let mut slot = Slot::new(&mut buffer, &mut plan, layout, burst);
        self.core.poll_transmit(self.now_ns, &mut slot);
        slot.finish();
        assert!(plan.holes.iter().all(|hole| hole.frame().is_none()));
        self.ended.append(&mut plan.ended);
        wire(&mut buffer, &plan, layout, &mut self.wire);
        self.filled.push(plan.wire_len);
        plan.wire_len
    }

    /// All that the core has to say.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        while self.core.wants_transmit() {
            assert!(self.fill() > 0, "it wanted to");
        }
        assert_eq!(self.fill(), 0, "it had nothing to say");
        std::mem::take(&mut self.wire)
    }

    /// The same as text.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8(self.receive()).unwrap()
    }

    /// The same as answers to GET.
    pub(crate) fn answers(&mut self) -> Vec<Answer> {
        answers(&self.receive())
    }

    pub(crate) fn status(&mut self) -> u16 {
        let answers = self.answers();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers[0].status
    }
}

/// What goes on the wire.
fn wire(buffer: &mut [u8], plan: &Plan<u8>, layout: Layout, out: &mut Vec<u8>) {
    let bytes = |file: u8, offset: u64, len: usize| {
        (offset..offset + len as u64).map(move |offset| file_byte(file, offset))
    };
    for hole in plan.holes.iter().filter(|hole| !hole.gathered) {
        for (at, byte) in (hole.at..).zip(bytes(hole.file, hole.offset, hole.len)) {
            buffer[at] = byte;
        }
    }
    if layout == Layout::Gathered {
        let mut from = plan.used.start;
        for hole in plan.holes.iter().filter(|hole| hole.gathered) {
            out.extend_from_slice(&buffer[from..hole.at]);
            out.extend(bytes(hole.file, hole.offset, hole.len));
            from = hole.at;
        }
        out.extend_from_slice(&buffer[from..plan.used.end]);
        return;
    }
    match layout {
        Layout::Sealed(record) => {
            for sealed in &plan.records {
                let plaintext = sealed.at + record.prefix;
                out.extend_from_slice(&buffer[plaintext..plaintext + sealed.len]);
            }
        }
        _ => out.extend_from_slice(&buffer[plan.used.clone()]),
    }
}

/// 200 with a body; a content-length when the length is known.
pub(crate) fn ok(body: Body<u8>) -> Response<u8> {
    let length = match &body {
        Body::Stream(_) => String::new(),
        known => format!("content-length: {}\r\n", known.known_len()),
    };
    Response {
        head: [Bytes::from_static(b"HTTP/1.1 200 OK\r\n"), length.into()],
        body,
    }
}

pub(crate) fn file(file: u8, len: u64) -> Body<u8> {
    Body::File {
        file,
        offset: 0,
        len,
    }
}

pub(crate) fn stream(segments: impl IntoIterator<Item = Segment<u8>>, end: End) -> Body<u8> {
    Body::Stream(Box::new(Stream::new(segments, end)))
}

pub(crate) fn segment(bytes: &'static str) -> Segment<u8> {
    Segment::Bytes(Bytes::from_static(bytes.as_bytes()))
}

/// What became of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) requests: Vec<String>,
    pub(crate) wire: Vec<u8>,
    pub(crate) error: Option<E>,
    pub(crate) done: bool,
}

fn outcome(pieces: &[&[u8]]) -> Outcome {
    let mut client = Client::echo();
    client.slots.bytes = 4_096;
    for piece in pieces {
        client.send(piece);
    }
    Outcome {
        wire: client.receive(),
        requests: client.requests,
        error: client.core.error(),
        done: client.core.is_done(),
    }
}

/// What becomes of `input`, in whatever pieces it arrives.
pub(crate) fn serve(input: impl AsRef<[u8]>) -> Outcome {
    let input = input.as_ref();
    let whole = outcome(&[input]);
    let same = |pieces: &[&[u8]]| {
        let other = outcome(pieces);
        assert_eq!(
            whole,
            other,
            "in pieces of {:?}",
            pieces.iter().map(|p| p.len()).collect::<Vec<_>>()
        );
    };
    same(&input.chunks(1).collect::<Vec<_>>());
    // Every cut of what is short, and cuts around line ends of what is long.
    let near_line_end = |at: usize| input[at.saturating_sub(3)..at].contains(&b'\n');
    for at in 1..input.len() {
        if input.len() < 500 || (near_line_end(at) && at < 2_000) || at % 4_001 == 0 {
            let (first, second) = input.split_at(at);
            same(&[first, second]);
        }
    }
    whole
}

/// `input` is one request, understood as this, after which the connection goes on.
pub(crate) fn understood(input: impl AsRef<[u8]>, request: &str) {
    let input = input.as_ref();
    let outcome = serve([input, GET.as_bytes()].concat());
    assert_eq!(outcome.requests, [request, GOT], "{}", input.escape_ascii());
    assert_eq!((outcome.error, outcome.done), (None, false));
}

/// `input` is one request, understood as this, after which the connection ends.
pub(crate) fn understood_last(input: impl AsRef<[u8]>, request: &str) {
    let input = input.as_ref();
    let outcome = serve([input, GET.as_bytes()].concat());
    assert_eq!(outcome.requests, [request], "{}", input.escape_ascii());
    assert_eq!((outcome.error, outcome.done), (None, true));
    let answers = answers(&outcome.wire);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].field("connection"), Some("close"));
}

/// `input` is no request: it is answered with `status` and why, also behind another one, and the connection ends.
pub(crate) fn refused(input: impl AsRef<[u8]>, status: u16, error: E) {
    let input = input.as_ref();
    let name = input[..input.len().min(200)].escape_ascii().to_string();
    for first in ["", GET] {
        let input = [first.as_bytes(), input, GET.as_bytes()].concat();
        let outcome = serve(&input);
        let before = usize::from(!first.is_empty());
        assert_eq!(outcome.error, Some(error), "{name}");
        assert_eq!(outcome.requests, [GOT][..before], "{name}");
        assert!(outcome.done, "{name}");
        let answers = answers(&outcome.wire);
        assert_eq!(answers.len(), before + 1, "{name}");
        answers[before].refuses(status, error);
    }
}

/// A request with these field lines besides `host`, each without its line end.
pub(crate) fn get_with(fields: &[&str]) -> String {
    let lines: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET /x HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n")
}

/// What [`get_with`] is understood as.
pub(crate) const GOT_X: &str = "GET http a.example /x";

/// A POST with these field lines and content.
pub(crate) fn post_with(fields: &[&str], content: &str) -> String {
    get_with(fields).replacen("GET", "POST", 1) + content
}

/// What [`post_with`] is understood as.
pub(crate) const POSTED: &str = "POST http a.example /x +";
