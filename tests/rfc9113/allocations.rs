//! A warm connection allocates nothing: not for a frame, not for a request, not for its answer.

use std::alloc::{GlobalAlloc, System};
use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use ringlane::h2::frame::{FrameHeader, Kind, flags, window_update};
use ringlane::h2::hpack::{Indexing, encode_field, encode_status};
use ringlane::h2::limits::PREFACE;
use ringlane::h2::settings::{SettingsFrame, id};
use ringlane::h2::{Body, Config, Connection, End, Event, Response, Scratch, Segment};
use ringlane::response::Stream;
use ringlane::slot::{Layout, Plan, Slot};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to `System` unchanged; counting neither allocates nor unwinds (`try_with`).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size() as isize));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: std::alloc::Layout) {
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() - layout.size() as isize));
        // SAFETY: `ptr` came from `System` by `alloc` above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: std::alloc::Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ =
            BYTES.try_with(|bytes| bytes.set(bytes.get() + size as isize - layout.size() as isize));
        // SAFETY: `ptr` came from `System` by `alloc` above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// HEADERS of a request as h2load sends it: the first with literals that are added to the table, then by index.
fn request(stream: u32) -> Vec<u8> {
    let mut block = vec![0x82, 0x87];
    if stream == 1 {
        for (name, value) in [
            (":path", "/file-1k.bin"),
            (":authority", "127.0.0.1:8443"),
            ("user-agent", "h2load nghttp2/1.64.0"),
            ("accept", "*/*"),
        ] {
            let at = block.len();
            encode_field(
                &mut block,
                name.as_bytes(),
                value.as_bytes(),
                Indexing::Never,
            );
            // A literal that is added differs from one that never is in its first bits only, when its name's index is
            // below 15 or it has none; others are written as new names here.
            if block[at] == 0x1f {
                block.truncate(at);
                block.push(0x40);
                block.push(name.len() as u8);
                block.extend_from_slice(name.as_bytes());
                block.push(value.len() as u8);
                block.extend_from_slice(value.as_bytes());
            } else {
                block[at] = 0x40 | (block[at] & 0x0f);
            }
        }
    } else {
        block.extend([0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]);
    }
    let flags = flags::END_HEADERS | flags::END_STREAM;
    let header = FrameHeader {
        length: block.len() as u32,
        kind: Kind::HEADERS,
        flags,
        stream_id: stream,
    };
    [&header.to_bytes()[..], &block].concat()
}

/// A connection that has served nothing yet, with windows that never end.
fn connection() -> (Connection<u8>, Scratch) {
    let most = (1 << 31) - 1;
    let mut connection = Connection::new(Rc::new(Config::default()), 0);
    let mut scratch = Scratch::default();
    let mut input = PREFACE.to_vec();
    input.extend_from_slice(SettingsFrame::new(&[(id::INITIAL_WINDOW_SIZE, most)]).as_bytes());
    input.extend(
        FrameHeader {
            length: 0,
            kind: Kind::SETTINGS,
            flags: flags::ACK,
            stream_id: 0,
        }
        .to_bytes(),
    );
    input.extend(window_update(0, most / 2));
    assert!(
        connection
            .handle_bytes(0, &mut &input[..], &mut scratch)
            .is_none()
    );
    (connection, scratch)
}

#[test]
fn a_warm_connection_allocates_nothing() {
    let (mut connection, mut scratch) = connection();
    let mut buffer = vec![0; 256 << 10];
    let mut plan = Plan::default();
    let mut head = Vec::new();
    encode_status(&mut head, 200);
    let head = [Bytes::from(head), Bytes::from_static(b"")];
    let small = Bytes::from(vec![7; 1_024]);
    let rounds = 500;
    let inputs: Vec<Vec<u8>> = (0..rounds)
        .map(|round| {
            let mut input: Vec<u8> = (0..20)
                .flat_map(|n| request((round * 20 + n) * 2 + 1))
                .collect();
            input.extend(window_update(0, 20 * 1_024));
            input
        })
        .collect();
    let mut serve = |connection: &mut Connection<u8>, input: &[u8], cut: usize, large: bool| {
        let (first, second) = input.split_at(cut.min(input.len()));
        for mut input in [first, second] {
            while let Some(event) = connection.handle_bytes(1, &mut input, &mut scratch) {
                if let Event::Request {
                    stream,
                    head: request,
                    ..
                } = event
                {
                    assert_eq!(request.path(), b"/file-1k.bin");
                    let body = if large {
                        Body::File {
                            file: 1,
                            offset: 0,
                            len: 40_000,
                        }
                    } else {
                        Body::Bytes(small.clone())
                    };
                    connection.respond(
                        stream,
                        Response {
                            head: head.clone(),
                            body,
                        },
                    );
                }
            }
        }
        while connection.wants_transmit() {
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
            connection.poll_transmit(1, &mut slot);
            slot.finish();
        }
    };
    for (n, input) in inputs.iter().take(100).enumerate() {
        serve(&mut connection, input, n * 7, n % 2 == 0);
    }
    let before = ALLOCATIONS.get();
    for (n, input) in inputs.iter().enumerate().skip(100).take(400) {
        serve(&mut connection, input, n * 7 % input.len(), n % 2 == 0);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!((connection.open_streams(), connection.error()), (0, None));
}

/// What the application makes of pieces and trailers is its own; framing them takes nothing more.
#[test]
fn pieces_and_trailers_allocate_nothing() {
    let (mut connection, mut scratch) = connection();
    let mut buffer = vec![0; 256 << 10];
    let mut plan = Plan::default();
    let (mut head, mut trailers) = (Vec::new(), Vec::new());
    encode_status(&mut head, 200);
    encode_field(&mut trailers, b"x-sum", b"abc", Indexing::Without);
    let (head, trailers) = (Bytes::from(head), Bytes::from(trailers));
    let piece = Bytes::from(vec![7; 1_024]);
    let mut counted = 0;
    for round in 0..200 {
        let input = request(round * 2 + 1);
        let file = Segment::File {
            file: 1,
            offset: 0,
            len: 40_000,
        };
        let pieces = [Segment::Bytes(piece.clone()), file];
        let mut body = Some(Body::Stream(Box::new(Stream::new(pieces, End::Open))));
        let mut late = Some(End::Trailers(trailers.clone()));
        let before = ALLOCATIONS.get();
        let mut input = &input[..];
        while let Some(event) = connection.handle_bytes(1, &mut input, &mut scratch) {
            if let (Event::Request { stream, .. }, Some(body)) = (event, body.take()) {
                let head = [head.clone(), Bytes::new()];
                connection.respond(stream, Response { head, body });
            }
        }
        while connection.wants_transmit() || late.is_some() {
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
            connection.poll_transmit(1, &mut slot);
            slot.finish();
            if let Some(end) = late.take_if(|_| !connection.wants_transmit()) {
                assert!(connection.finish(round * 2 + 1, end));
            }
        }
        assert_eq!(connection.open_streams(), 0);
        if round >= 100 {
            counted += ALLOCATIONS.get() - before;
        }
    }
    assert_eq!(counted, 0);
}

#[test]
fn an_idle_connection_owns_little() {
    let config = Rc::new(Config::default());
    let mut scratch = Scratch::default();
    let mut buffer = vec![0; 64 << 10];
    let mut plan = Plan::default();
    let before = BYTES.get();
    let mut connection = Connection::<u8>::new(Rc::clone(&config), 0);
    let mut input = PREFACE.to_vec();
    input.extend_from_slice(SettingsFrame::new(&[]).as_bytes());
    input.extend(
        FrameHeader {
            length: 0,
            kind: Kind::SETTINGS,
            flags: flags::ACK,
            stream_id: 0,
        }
        .to_bytes(),
    );
    assert!(
        connection
            .handle_bytes(0, &mut &input[..], &mut scratch)
            .is_none()
    );
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
    connection.poll_transmit(1, &mut slot);
    slot.finish();
    assert!(!connection.wants_transmit());
    let bytes = BYTES.get() - before + size_of::<Connection<u8>>() as isize;
    assert!(
        bytes <= 832,
        "{bytes} bytes, {} of them the connection itself",
        size_of::<Connection<u8>>()
    );
    println!("{bytes} bytes");
}
