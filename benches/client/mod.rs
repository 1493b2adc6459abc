//! What the benches and the allocation tests share: a client's bytes, encoded in advance, and around the cores just as
//! much of a server as one request needs. What is not said to be of HTTP/1.1 is of HTTP/2.
//!
//! The client repeats one chunk of requests with new stream identifiers, each time with a WINDOW_UPDATE that returns
//! what the chunk before it used, so that the windows never run dry.
#![allow(dead_code, reason = "each bench uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod http1;

use std::cell::OnceCell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringlane::files::{Cache, FileRef, Found, Identity, Lookup, OpenFile};
use ringlane::h1;
use ringlane::h2::frame::{FrameHeader, Kind, flags, settings_ack, window_update};
use ringlane::h2::hpack::{Indexing, encode_field, encode_status};
use ringlane::h2::limits::{MAX_WINDOW, PREFACE};
use ringlane::h2::settings::{SettingsFrame, id};
use ringlane::h2::{Body, Config, Connection, Event, RequestHead, Response, Scratch};
use ringlane::http::{EntityTag, target};
use ringlane::slot::{Layout, Plan, RecordLayout, Slot};
use ringlane::uring::Mapping;

/// A record of TLS 1.3: header before, content type and tag behind.
pub(crate) const SEALED: Layout = Layout::Sealed(RecordLayout {
    prefix: 5,
    suffix: 17,
});
/// The path of the small file.
pub(crate) const SMALL: &str = "/assets/small.html";
/// The path of the large file.
pub(crate) const LARGE: &str = "/downloads/archive-2026.tar.zst";
/// Bytes of the small file.
pub(crate) const SMALL_BYTES: usize = 1_024;
/// Requests that arrive in one chunk.
pub(crate) const BATCH: usize = 20;

/// Whose requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Agent {
    H2load,
    Curl,
    Chromium,
}

impl Agent {
    /// What follows `:method`, `:scheme` and `:path`, which these clients never put into the table.
    fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::H2load => &[
                (":authority", "127.0.0.1:8080"),
                ("user-agent", "h2load nghttp2/1.52.0"),
            ],
            Self::Curl => &[
                (":authority", "127.0.0.1:8080"),
                ("user-agent", "curl/8.14.1"),
                ("accept", "*/*"),
            ],
            Self::Chromium => &[
                (":authority", "www.example.com"),
                (
                    "sec-ch-ua",
                    "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"",
                ),
                ("sec-ch-ua-mobile", "?0"),
                ("sec-ch-ua-platform", "\"Linux\""),
                ("upgrade-insecure-requests", "1"),
                (
                    "user-agent",
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                ),
                (
                    "accept",
                    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
                ),
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("accept-encoding", "gzip, deflate, br, zstd"),
                ("accept-language", "en-US,en;q=0.9"),
                ("priority", "u=0, i"),
            ],
        }
    }

    /// `:method: GET`, `:scheme: http` and `:path`.
    fn target(path: &str) -> Vec<u8> {
        let mut block = vec![0x82, 0x86];
        encode_field(&mut block, b":path", path.as_bytes(), Indexing::Without);
        block
    }

    /// The first request's block, which inserts every field.
    fn first(self, path: &str) -> Vec<u8> {
        let mut block = Self::target(path);
        for (name, value) in self.fields() {
            block.push(0x40);
            for text in [name, value] {
                // A plain string whose length needs one octet.
                block.push(u8::try_from(text.len()).ok().filter(|n| *n < 0x7f).unwrap());
                block.extend_from_slice(text.as_bytes());
            }
        }
        block
    }

    /// A later request's block, which names every field by its index.
    fn later(self, path: &str) -> Vec<u8> {
        let mut block = Self::target(path);
        // The newest entry has index 62.
        block.extend(
            (0..self.fields().len() as u8)
                .rev()
                .map(|n| 0x80 | (62 + n)),
        );
        block
    }

    /// Everything up to the first request, on stream 1: preface, SETTINGS, the acknowledgement of the server's, and
    /// windows wide enough for any chunk, with room for what chunks return.
    pub(crate) fn opening(self, path: &str, max_frame_size: u32) -> Vec<u8> {
        let mut wire = PREFACE.to_vec();
        let settings = [
            (id::INITIAL_WINDOW_SIZE, MAX_WINDOW),
            (id::MAX_FRAME_SIZE, max_frame_size),
        ];
        wire.extend_from_slice(SettingsFrame::new(&settings).as_bytes());
        wire.extend_from_slice(&settings_ack());
        wire.extend_from_slice(&window_update(0, MAX_WINDOW / 2));
        push_headers(&mut wire, 1, &self.first(path));
        wire
    }
}

fn push_headers(wire: &mut Vec<u8>, stream_id: u32, block: &[u8]) {
    let header = FrameHeader {
        length: block.len() as u32,
        kind: Kind::HEADERS,
        flags: flags::END_STREAM | flags::END_HEADERS,
        stream_id,
    };
    wire.extend_from_slice(&header.to_bytes());
    wire.extend_from_slice(block);
}

/// Requests in one chunk, sent again and again.
pub(crate) struct Chunk {
    wire: Vec<u8>,
    /// Where the identifiers stand.
    stream_ids_at: Vec<usize>,
    next_stream: u32,
}

impl Chunk {
    /// `requests` for the small file. A load generator asks for the same again and again; the others ask for something
    /// else each time, so that no two blocks that follow on each other are alike.
    pub(crate) fn small(agent: Agent, requests: usize) -> Self {
        let paths = (0..requests).map(|n| match agent {
            Agent::H2load => (SMALL.to_owned(), None),
            Agent::Curl | Agent::Chromium => (format!("{SMALL}?{n}"), None),
        });
        Self::new(agent, requests * SMALL_BYTES, paths)
    }

    /// `requests` for the large file of `bytes`, with the value of the priority field of each.
    pub(crate) fn large(
        agent: Agent,
        bytes: usize,
        requests: usize,
        priority: impl Fn(usize) -> Option<String>,
    ) -> Self {
        let requests = (0..requests).map(|n| (LARGE.to_owned(), priority(n)));
        Self::new(agent, requests.len() * bytes, requests)
    }

    /// Requests by path and priority, which return `credit` bytes to the connection's window.
    fn new(
        agent: Agent,
        credit: usize,
        requests: impl Iterator<Item = (String, Option<String>)>,
    ) -> Self {
        let mut wire = window_update(0, credit as u32).to_vec();
        let mut stream_ids_at = Vec::new();
        for (path, priority) in requests {
            let mut block = agent.later(&path);
            if let Some(value) = priority {
                let value = value.as_bytes();
                encode_field(&mut block, b"priority", value, Indexing::Without);
            }
            // The last four octets of a frame header.
            stream_ids_at.push(wire.len() + 5);
            push_headers(&mut wire, 0, &block);
        }
        Self {
            wire,
            stream_ids_at,
            next_stream: 3,
        }
    }

    /// The chunk with identifiers that follow on those before.
    pub(crate) fn next(&mut self) -> &[u8] {
        for &at in &self.stream_ids_at {
            self.wire[at..at + 4].copy_from_slice(&self.next_stream.to_be_bytes());
            self.next_stream += 2;
        }
        assert!(self.next_stream < MAX_WINDOW, "identifiers are left");
        &self.wire
    }
}

/// The HTTP/2 core with its slot.
pub(crate) struct Core {
    connection: Connection<FileRef>,
    scratch: Scratch,
    buffer: Vec<u8>,
    plan: Plan<FileRef>,
    layout: Layout,
    burst: usize,
}

impl Core {
    /// A connection that has answered the opening's request with `answer`. A slot carries up to `burst` bytes.
    pub(crate) fn new(
        layout: Layout,
        burst: usize,
        opening: &[u8],
        answer: impl FnMut(&RequestHead<'_>) -> Response<FileRef>,
    ) -> Self {
        // A gathered slot's buffer holds what is not in files.
        let buffer_bytes = if layout == Layout::Gathered {
            64 << 10
        } else {
            burst
        };
        let mut core = Self {
            connection: Connection::new(Rc::new(Config::default()), 0),
            scratch: Scratch::default(),
            buffer: vec![0; buffer_bytes],
            plan: Plan::default(),
            layout,
            burst,
        };
        assert_eq!(core.receive(opening, answer), 1);
        while core.connection.wants_transmit() {
            core.fill();
        }
        core
    }

    /// Takes bytes and answers every request in them; how many there were.
    pub(crate) fn receive(
        &mut self,
        mut wire: &[u8],
        mut answer: impl FnMut(&RequestHead<'_>) -> Response<FileRef>,
    ) -> usize {
        let mut requests = 0;
        while let Some(event) = self
            .connection
            .handle_bytes(1, &mut wire, &mut self.scratch)
        {
            if let Event::Request { stream, head, .. } = event {
                let response = answer(&head);
                self.connection.respond(stream, response);
                requests += 1;
            }
        }
        assert_eq!(self.connection.error(), None);
        requests
    }

    /// Fills one slot.
    pub(crate) fn fill(&mut self) -> &Plan<FileRef> {
        let mut slot = Slot::new(&mut self.buffer, &mut self.plan, self.layout, self.burst);
        self.connection.poll_transmit(2, &mut slot);
        slot.finish();
        &self.plan
    }

    /// Whether another slot would carry something.
    pub(crate) fn wants_transmit(&self) -> bool {
        self.connection.wants_transmit()
    }
}

/// Two files in the cache, and what a request needs to be answered with one of them.
pub(crate) struct Files {
    cache: Cache,
    path: Vec<u8>,
    /// As HTTP/1.1 and as HTTP/2 write it.
    date: [Bytes; 2],
}

impl Files {
    /// The small file has its contents in memory, the large one is `large_bytes` long and has not.
    pub(crate) fn new(large_bytes: u64) -> Self {
        let mut cache = Cache::new(Duration::from_secs(1));
        let small = Bytes::from(vec![b'x'; SMALL_BYTES]);
        for (path, len, contents) in [
            (SMALL, SMALL_BYTES as u64, Some(small)),
            (LARGE, large_bytes, None),
        ] {
            let relative = path.trim_start_matches('/').as_bytes();
            cache.insert(relative, Found::File(Rc::new(open_file(len, contents))), 0);
        }
        let mut date = Vec::new();
        let value = "Sat, 21 Nov 2026 21:45:28 GMT";
        encode_field(&mut date, b"date", value.as_bytes(), Indexing::Without);
        Self {
            cache,
            path: Vec::new(),
            date: [format!("date: {value}\r\n").into(), date.into()],
        }
    }

    /// The plain 200 for the request's path.
    pub(crate) fn answer(&mut self, head: &RequestHead<'_>) -> Response<FileRef> {
        self.find(head.path(), 1)
    }

    /// The same for HTTP/1.1.
    pub(crate) fn answer_http1(&mut self, head: &h1::RequestHead<'_>) -> Response<FileRef> {
        self.find(head.path(), 0)
    }

    fn find(&mut self, path: &[u8], version: usize) -> Response<FileRef> {
        let target = target::resolve(path, &mut self.path).unwrap();
        let Lookup::Hit(Found::File(file)) = self.cache.lookup(target.path, 1) else {
            panic!("the file is in the cache");
        };
        let body = match &file.contents {
            Some(contents) => Body::Bytes(contents.slice(..)),
            None => Body::File {
                offset: 0,
                len: file.identity.len,
                file: FileRef(Rc::clone(&file)),
            },
        };
        Response {
            head: [
                file.heads[version].get().unwrap().clone(),
                self.date[version].clone(),
            ],
            body,
        }
    }
}

fn open_file(len: u64, contents: Option<Bytes>) -> OpenFile {
    let identity = Identity {
        device: 1,
        inode: 2,
        len,
        modified_s: 3,
        modified_ns: 4,
        changed: (5, 6),
    };
    let etag = EntityTag::new(2, len, 3, 4);
    let mut lines = String::from("HTTP/1.1 200 OK\r\n");
    let mut head = Vec::new();
    encode_status(&mut head, 200);
    for (name, value) in [
        (&b"content-type"[..], &b"text/html; charset=utf-8"[..]),
        (b"content-length", len.to_string().as_bytes()),
        (b"etag", etag.as_bytes()),
        (b"last-modified", b"Mon, 16 Nov 2026 08:00:00 GMT"),
        (b"accept-ranges", b"bytes"),
    ] {
        encode_field(&mut head, name, value, Indexing::Without);
        let text = |bytes| str::from_utf8(bytes).unwrap();
        lines += &format!("{}: {}\r\n", text(name), text(value));
    }
    // Never read: the core sees no descriptor, and only asks whether there is a mapping.
    let descriptor = tempfile::tempfile().unwrap();
    let mapping = match contents {
        None if len > 0 => Mapping::new(descriptor.as_fd(), len).ok(),
        _ => None,
    };
    OpenFile {
        descriptor: Rc::new(descriptor.into()),
        mapping: mapping.map(Rc::new).into(),
        asked: Default::default(),
        resident: Default::default(),
        reading: Default::default(),
        identity,
        etag,
        content_type: "text/html; charset=utf-8".into(),
        compressible: true,
        contents,
        settled: true,
        key: Rc::default(),
        treatment: Rc::default(),
        coded_heads: Default::default(),
        heads: [Bytes::from(lines), Bytes::from(head)].map(OnceCell::from),
    }
}
