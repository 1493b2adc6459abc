//! A client of HTTP/2: the core in its other role.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;

use super::asked::{Asked, End, Method};
use crate::h2::client::{
    ClientConfig, ClientConnection, ClientEvent, Credit, Request, RequestError,
};
use crate::h2::{ErrorCode, Scratch, StreamId};
use crate::slot::{Layout, Plan, Slot};
use crate::uring::simulated::Random;
use crate::uring::simulated::files::File;

/// The server keeps the rest of a frame that was begun up to this length.
const MAX_KEPT: u32 = 64 << 10;
/// Bytes of what is sent at once.
const SLOT_BYTES: usize = 9_000;

pub(super) struct Http2 {
    pub(super) core: ClientConnection,
    scratch: Scratch,
    /// It has read nothing for so long that the server may have lost its patience.
    pub(super) is_slow: bool,
    /// Whether a frame may be so large that the rest of it is not kept when its file shrinks.
    pub(super) takes_large: bool,
    /// In the order in which they were asked.
    pub(super) asked: BTreeMap<StreamId, Asked>,
}

impl Http2 {
    pub(super) fn new(window: u32, random: &mut Random) -> Self {
        let config = ClientConfig {
            initial_window_size: window,
            connection_window: random.pick(&[65_535, 100_000, 1 << 22]),
            max_frame_size: random.pick(&[16_384, 30_000, 1 << 20]),
            header_table_size: random.pick(&[4_096, 0, 65_536]),
            credit: random.pick(&[Credit::AtHalf, Credit::AtOnce]),
            ..ClientConfig::default()
        };
        Self {
            is_slow: false,
            takes_large: config.max_frame_size > MAX_KEPT,
            core: ClientConnection::new(Rc::new(config)),
            scratch: Scratch::default(),
            asked: BTreeMap::new(),
        }
    }

    /// Asks so many times, as far as it may.
    pub(super) fn ask(
        &mut self,
        asked: &Asked,
        times: usize,
        most: usize,
        random: &mut Random,
        files: &[File],
    ) {
        let priority = format!("u={}{}", random.below(8), random.pick(&["", ", i"]));
        let mut fields = asked.fields();
        fields.push(("priority", priority));
        if random.one_in(2) {
            fields.push(("te", "trailers".to_owned()));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let path = asked.path(files);
        let mut request = Request::new(asked.method.name(), "http", "a.example", &path, &fields);
        if asked.method == Method::Post {
            let body = vec![b'x'; random.pick(&[1, 1_000, 100_000]).min(most)];
            request = request.with_body(Bytes::from(body));
        }
        for _ in 0..times {
            match self.core.request(request.clone()) {
                Ok(stream) => {
                    self.asked.insert(stream, asked.clone());
                }
                Err(RequestError::Busy | RequestError::Closing) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Does one of the other things that a client may do.
    pub(super) fn change_mind(&mut self, random: &mut Random) {
        match random.below(30) {
            0..3 => {
                let open =
                    |(stream, asked): (&StreamId, &Asked)| asked.end.is_none().then_some(*stream);
                let open: Vec<_> = self.asked.iter().filter_map(open).collect();
                if !open.is_empty() {
                    let stream = random.pick(&open);
                    self.core.cancel(stream);
                    self.asked.get_mut(&stream).unwrap().ends(End::Cancelled);
                }
            }
            3 => self
                .core
                .set_max_frame_size(16_384 + random.below(40_000) as u32),
            4 if random.one_in(3) => self.core.shutdown(),
            _ => {}
        }
    }

    /// What it has to say.
    pub(super) fn transmit(&mut self, out: &mut Vec<u8>) {
        while self.core.wants_transmit() && out.len() < SLOT_BYTES {
            let (mut buffer, mut plan) = (vec![0; SLOT_BYTES], Plan::<()>::default());
            let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
            self.core.poll_transmit(&mut slot);
            slot.finish();
            out.extend_from_slice(&buffer[plan.used]);
        }
    }

    /// Takes what has come.
    pub(super) fn take(&mut self, mut input: &[u8], files: &[File]) {
        while let Some(event) = self.core.handle_bytes(&mut input, &mut self.scratch) {
            let ended = match event {
                ClientEvent::Response {
                    stream,
                    head,
                    end_stream,
                } => {
                    let asked = self.asked.get_mut(&stream).unwrap();
                    let range = head.get(b"content-range");
                    asked.head(head.status(), head.content_length(), range, None, files);
                    end_stream.then_some(stream)
                }
                ClientEvent::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    self.asked.get_mut(&stream).unwrap().data(data, files);
                    end_stream.then_some(stream)
                }
                ClientEvent::Trailers { stream, .. } => Some(stream),
                ClientEvent::Reset {
                    stream,
                    code,
                    retryable,
                    violation,
                } => {
                    assert_eq!(violation, None, "the server did nothing wrong");
                    let asked = self.asked.get_mut(&stream).unwrap();
                    let right = match code {
                        ErrorCode::REFUSED_STREAM => retryable,
                        ErrorCode::INTERNAL_ERROR => asked.may_fail(files),
                        _ => self.is_slow,
                    };
                    assert!(right, "{code:?} for {asked:?}");
                    asked.ends(match retryable {
                        true => End::Unprocessed,
                        false => End::Reset,
                    });
                    None
                }
                ClientEvent::Goaway { code, .. } => {
                    let right = code == ErrorCode::NO_ERROR || self.is_slow;
                    assert!(right, "we did nothing wrong: {code:?}");
                    None
                }
            };
            if let Some(stream) = ended {
                self.asked.get_mut(&stream).unwrap().complete(files);
            }
        }
        assert_eq!(self.core.error(), None, "the server did nothing wrong");
    }
}
