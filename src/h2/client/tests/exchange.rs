//! Against the server's role, over a wire cut anywhere.

use std::collections::HashMap;

use super::*;
use crate::h2::{Body, Config, Connection, Event, Response, hpack};

fn byte(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 9) as u8
}

fn content(len: usize) -> Bytes {
    (0..len).map(byte).collect::<Vec<_>>().into()
}

/// Takes what the server has to say.
fn server_wire(server: &mut Connection<()>) -> Vec<u8> {
    let (mut buffer, mut plan) = (vec![0; 20_000], Plan::default());
    let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
    server.poll_transmit(0, &mut slot);
    slot.finish();
    buffer[plan.used].to_vec()
}

/// What came back of a request: status, content, and whether it is all.
type Answers = HashMap<StreamId, (u16, Vec<u8>, bool)>;

/// Requests with contents of many sizes, echoed by length; each asks for as many bytes as its path says.
fn run(client_config: ClientConfig, server_config: Config, piece: usize, slot_bytes: usize) {
    let mut told = Told::raw(client_config);
    told.piece = piece;
    told.slot_bytes = slot_bytes;
    let mut server = Connection::<()>::new(Rc::new(server_config), 0);
    let mut scratch = Scratch::default();
    let sizes = [0, 1, 70_000, 16_384, 500, 150_000];
    let (mut made, mut answers) = (Vec::new(), Answers::new());
    let mut received: HashMap<StreamId, (usize, usize)> = HashMap::new();
    for _ in 0..200_000 {
        if made.len() < 40 {
            let (down, up) = (sizes[made.len() % 6], sizes[made.len() / 6 % 6]);
            let long = "l".repeat(if made.len() % 9 == 0 { 20_000 } else { 10 });
            let request = Request::new(
                if up > 0 { "POST" } else { "GET" },
                "https",
                "a.example",
                &format!("/{down}"),
                &[("x-long", &long)],
            );
            match told.core.request(request.with_body(content(up))) {
                Ok(stream) => made.push((stream, down, up)),
                Err(error) => assert_eq!(error, RequestError::Busy),
            }
        }
        let wire = told.wire();
        for mut input in wire.chunks(piece) {
            while let Some(event) = server.handle_bytes(0, &mut input, &mut scratch) {
                let ended = match event {
                    Event::Request {
                        stream,
                        head,
                        end_stream,
                    } => {
                        let path = std::str::from_utf8(&head.path()[1..]).unwrap();
                        received.insert(stream, (path.parse().unwrap(), 0));
                        end_stream.then_some(stream)
                    }
                    Event::Data {
                        stream,
                        data,
                        end_stream,
                    } => {
                        let (_, at) = received.get_mut(&stream).unwrap();
                        assert!(data.iter().enumerate().all(|(i, b)| *b == byte(*at + i)));
                        *at += data.len();
                        end_stream.then_some(stream)
                    }
                    other => panic!("{other:?}"),
                };
                if let Some(stream) = ended {
                    let mut block = Vec::new();
                    hpack::encode_status(&mut block, 200);
                    let response = Response {
                        head: [block.into(), Bytes::new()],
                        body: Body::Bytes(content(received[&stream].0)),
                    };
                    server.respond(stream, response);
                }
            }
        }
        assert_eq!(server.error(), None);
        let wire = server_wire(&mut server);
        for seen in told.feed(&wire) {
            match seen {
                Seen::Response(stream, status, end) => {
                    let before = answers.insert(stream, (status, Vec::new(), end));
                    assert_eq!(before, None);
                }
                Seen::Data(stream, data, end) => {
                    let answer = answers.get_mut(&stream).unwrap();
                    assert!(!answer.2);
                    answer.1.extend(data);
                    answer.2 = end;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told.core.error(), None);
        if made.len() == 40 && told.core.open_streams() == 0 {
            break;
        }
    }
    assert_eq!(answers.len(), 40);
    for (stream, down, up) in made {
        let (status, body, end) = &answers[&stream];
        assert!(*status == 200 && *end && *body == content(down)[..]);
        assert_eq!(received[&stream], (down, up));
    }
    told.core.shutdown();
    assert!(!told.core.is_done());
    told.wire();
    assert!(told.core.is_done());
}

#[test]
fn requests_and_responses_of_many_sizes() {
    for (window, connection_window, credit, piece, slot_bytes) in [
        (1 << 20, 1 << 22, Credit::AtHalf, usize::MAX, 64 << 10),
        (3_000, 65_535, Credit::AtHalf, 1_000, 500),
        (20_000, 65_535, Credit::AtOnce, 17, 20_000),
        (65_535, 70_000, Credit::AtHalf, 100, 3_000),
    ] {
        let client_config = ClientConfig {
            initial_window_size: window,
            connection_window,
            credit,
            ..ClientConfig::default()
        };
        let server_config = Config {
            max_concurrent_streams: 7,
            initial_window_size: 5_000,
            ..Config::default()
        };
        run(client_config, server_config, piece, slot_bytes);
    }
}
