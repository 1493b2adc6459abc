//! The `h2` crate as the client, over a pipe.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use ringlane::h2::hpack::{Indexing, encode_field, encode_status};
use ringlane::h2::{Body, Config, Connection, End, Event, Response, Scratch, Segment};
use ringlane::response::Stream;
use ringlane::slot::{Layout, Plan, RecordLayout, Slot};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9) >> 13) as u8
}

/// Serves `/N` as a file of N bytes, `/bytes/N` as bytes, `/pieces/N` as pieces of either kind, some of them late, with
/// trailers; `/head/N` as `/0` with a field of 1 MiB.
async fn serve(mut pipe: DuplexStream, layout: Layout, config: Config) -> Option<&'static str> {
    let mut connection = Connection::<()>::new(Rc::new(config), 0);
    let mut scratch = Scratch::default();
    let mut buffer = vec![0; 100_000];
    let mut plan = Plan::default();
    let mut input = vec![0; 5_000];
    let (mut late, mut lens) = (Vec::new(), HashMap::new());
    loop {
        while connection.wants_transmit() {
            let mut slot = Slot::new(&mut buffer, &mut plan, layout, 90_000);
            connection.poll_transmit(0, &mut slot);
            slot.finish();
            let wire = wire(&mut buffer, &plan, layout);
            if pipe.write_all(&wire).await.is_err() {
                return connection.error().map(|error| error.text());
            }
        }
        // The other half, once the first is out.
        let more = !late.is_empty();
        for stream in late.drain(..) {
            let len: u64 = lens[&stream];
            for piece in pieces(len - len / 2, len / 2) {
                connection.append(stream, piece);
            }
            let mut block = Vec::new();
            let length = len.to_string();
            encode_field(
                &mut block,
                b"x-length",
                length.as_bytes(),
                Indexing::Without,
            );
            connection.finish(stream, End::Trailers(block.into()));
        }
        if more {
            continue;
        }
        if connection.is_done() {
            return connection.error().map(|error| error.text());
        }
        let len = pipe.read(&mut input).await.unwrap_or(0);
        if len == 0 {
            return connection.error().map(|error| error.text());
        }
        let mut rest = &input[..len];
        while let Some(event) = connection.handle_bytes(0, &mut rest, &mut scratch) {
            let Event::Request { stream, head, .. } = event else {
                continue;
            };
            let path = std::str::from_utf8(head.path()).unwrap();
            let (kind, len) = path[1..].split_once('/').unwrap_or(("", &path[1..]));
            let len: u64 = len.parse().unwrap();
            let mut large = 20_000;
            let body = match kind {
                "bytes" => Body::Bytes((0..len).map(byte).collect::<Vec<_>>().into()),
                "pieces" => {
                    late.push(stream);
                    Body::Stream(Box::new(Stream::new(pieces(len / 2, 0), End::Open)))
                }
                "head" => {
                    large = 1 << 20;
                    Body::Empty
                }
                _ => Body::File {
                    file: (),
                    offset: 0,
                    len,
                },
            };
            lens.insert(stream, len);
            let mut block = Vec::new();
            encode_status(&mut block, 200);
            let mut more = Vec::new();
            encode_field(
                &mut more,
                b"content-length",
                len.to_string().as_bytes(),
                Indexing::Without,
            );
            encode_field(
                &mut more,
                b"x-large",
                &vec![b'\\'; large],
                Indexing::Without,
            );
            connection.respond(
                stream,
                Response {
                    head: [Bytes::from(block), Bytes::from(more)],
                    body,
                },
            );
        }
    }
}

/// `len` bytes from `offset` on, in pieces of either kind.
fn pieces(len: u64, offset: u64) -> Vec<Segment<()>> {
    let end = offset + len;
    let piece = |from: u64| {
        let len = (end - from).min(7_000);
        if from % 2_000 < 1_000 {
            Segment::Bytes((from..from + len).map(byte).collect::<Vec<_>>().into())
        } else {
            Segment::File {
                file: (),
                offset: from,
                len,
            }
        }
    };
    (offset..end).step_by(7_000).map(piece).collect()
}

/// What goes over the wire, without records.
fn wire(buffer: &mut [u8], plan: &Plan<()>, layout: Layout) -> Vec<u8> {
    let content =
        |hole: &ringlane::slot::Hole<()>| (hole.offset..hole.offset + hole.len as u64).map(byte);
    let mut out = Vec::new();
    if layout == Layout::Gathered {
        let mut from = plan.used.start;
        for hole in &plan.holes {
            out.extend_from_slice(&buffer[from..hole.at]);
            out.extend(content(hole));
            from = hole.at;
        }
        out.extend_from_slice(&buffer[from..plan.used.end]);
        return out;
    }
    for hole in &plan.holes {
        buffer[hole.at..][..hole.len]
            .iter_mut()
            .zip(content(hole))
            .for_each(|(to, byte)| *to = byte);
    }
    match layout {
        Layout::Sealed(record) => {
            plan.records
                .iter()
                .for_each(|r| out.extend_from_slice(&buffer[r.at + record.prefix..][..r.len]));
        }
        _ => out.extend_from_slice(&buffer[plan.used.clone()]),
    }
    out
}

async fn get(mut client: h2::client::SendRequest<Bytes>, path: String, len: u64) {
    let request = http::Request::get(format!("https://a.example{path}"))
        .body(())
        .unwrap();
    client = client.ready().await.unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let large = if path.starts_with("/head") {
        1 << 20
    } else {
        20_000
    };
    assert_eq!(response.headers()["x-large"].len(), large);
    let mut body = response.into_body();
    let mut at = 0;
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        assert!(
            (at..).zip(&data).all(|(offset, got)| *got == byte(offset)),
            "{path} at {at}"
        );
        at += data.len() as u64;
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    assert_eq!(at, len, "{path}");
    let trailers = body.trailers().await.unwrap();
    let length = trailers.map(|fields| fields["x-length"].to_str().unwrap().to_owned());
    let expected = path.starts_with("/pieces").then(|| len.to_string());
    assert_eq!(length, expected, "{path}");
}

#[test]
fn downloads_with_windows_and_frames_of_many_sizes() {
    let sealed = Layout::Sealed(RecordLayout {
        prefix: 5,
        suffix: 17,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for layout in [Layout::Gathered, Layout::Placed, sealed] {
        for (window, connection_window, frame, table) in [
            (65_535, 65_535, 16_384, 4_096),
            (1, 65_535, 16_384, 0),
            (1_000, 70_000, 20_000, 100),
            (1 << 20, 1 << 21, 1 << 20, 65_536),
        ] {
            let (near, far) = tokio::io::duplex(30_000);
            let local = tokio::task::LocalSet::new();
            let server = local.spawn_local(serve(far, layout, Config::default()));
            runtime.block_on(local.run_until(async {
                let (client, connection) = h2::client::Builder::new()
                    .initial_window_size(window)
                    .initial_connection_window_size(connection_window)
                    .max_frame_size(frame)
                    .header_table_size(table)
                    .handshake::<_, Bytes>(near)
                    .await
                    .unwrap();
                let driver = tokio::task::spawn_local(connection);
                let most = if window == 1 { 50 } else { 300_000 };
                let mut requests = Vec::new();
                for n in 0..30 {
                    let len = [0, 1, most / 7, most][n % 4] + n as u64;
                    let path = match n % 5 {
                        0 => format!("/bytes/{len}"),
                        1 | 2 => format!("/pieces/{len}"),
                        _ => format!("/{len}"),
                    };
                    requests.push(tokio::task::spawn_local(get(client.clone(), path, len)));
                }
                let head = get(client.clone(), "/head/0".to_owned(), 0);
                requests.push(tokio::task::spawn_local(head));
                for request in requests {
                    request.await.unwrap();
                }
                drop(client);
                driver.await.unwrap().unwrap();
                assert_eq!(server.await.unwrap(), None);
            }));
        }
    }
}
