//! A warm connection allocates nothing: not for a request, not for its answer. An idle one owns next to nothing.

use std::alloc::{GlobalAlloc, System};
use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use ringlane::h1::{Body, Config, Connection, Event, Response, Scheme, Scratch};
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

/// As wget sends it.
const REQUEST: &str = "GET /file-1k.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Wget/1.21.3\r\nAccept: */*\r\n\
    Accept-Encoding: identity\r\nConnection: Keep-Alive\r\n\r\n";

/// As one that sends content does.
const POST: &str = "POST /file-1k.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\n0\r\n\r\n";

#[test]
fn a_warm_connection_allocates_nothing() {
    let mut connection = Connection::new(Rc::new(Config::default()), Scheme::Http, 0);
    let mut scratch = Scratch::default();
    let mut buffer = vec![0; 64 << 10];
    let mut plan = Plan::default();
    let head = [
        Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 1024\r\n"),
        Bytes::from_static(b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ];
    let small = Bytes::from(vec![7; 1_024]);
    let input = REQUEST.repeat(10) + &POST.repeat(10);
    let mut serve = |connection: &mut Connection<u8>, cut: usize, large: bool| {
        let (first, second) = input.as_bytes().split_at(cut % input.len());
        for mut input in [first, second] {
            while let Some(Event::Request {
                stream,
                head: request,
                ..
            }) = connection.handle_bytes(1, &mut input, &mut scratch)
            {
                assert_eq!(request.path(), b"/file-1k.bin");
                let body = if large {
                    Body::File {
                        file: 1,
                        offset: 0,
                        len: 1_024,
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
        while connection.wants_transmit() {
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
            connection.poll_transmit(1, &mut slot);
            slot.finish();
            connection.note_drained(plan.wire_len, true, 1);
        }
    };
    for round in 0..100 {
        serve(&mut connection, round * 7, round % 2 == 0);
    }
    let before = ALLOCATIONS.get();
    for round in 0..2_000 {
        serve(&mut connection, round * 7, round % 2 == 0);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert_eq!((connection.open_streams(), connection.error()), (0, None));
}

#[test]
fn an_idle_connection_owns_little() {
    let config = Rc::new(Config::default());
    let mut scratch = Scratch::default();
    let mut buffer = vec![0; 64 << 10];
    let mut plan = Plan::default();
    // The shard's memory is not the connection's.
    let mut first = Connection::<u8>::new(Rc::clone(&config), Scheme::Http, 0);
    for byte in REQUEST.bytes() {
        first.handle_bytes(0, &mut &[byte][..], &mut scratch);
    }
    plan.ended.reserve(4);
    let before = BYTES.get();
    let mut connection = Connection::<u8>::new(Rc::clone(&config), Scheme::Http, 0);
    for byte in REQUEST.bytes() {
        if let Some(Event::Request { stream, .. }) =
            connection.handle_bytes(0, &mut &[byte][..], &mut scratch)
        {
            let head = [
                Bytes::from_static(b"HTTP/1.1 204 No Content\r\n"),
                Bytes::new(),
            ];
            connection.respond(
                stream,
                Response {
                    head,
                    body: Body::Empty,
                },
            );
        }
    }
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Gathered, 1 << 20);
    connection.poll_transmit(0, &mut slot);
    slot.finish();
    assert!(!connection.wants_transmit());
    // It gives back what it does not need while it is idle, once that is known to be for longer.
    let due = connection
        .poll_timeout()
        .expect("there is something to give back");
    connection.handle_timeout(due);
    assert_eq!(connection.poll_timeout(), None);
    assert_eq!(BYTES.get() - before, 0);
    let bytes = size_of::<Connection<u8>>();
    println!("{bytes} bytes");
    assert!(bytes <= 256, "{bytes} bytes");
}
