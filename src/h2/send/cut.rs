//! What becomes of frames that were put before it was known that their file cannot fill them.

use crate::h2::frame::{FRAME_HEADER_LEN, FrameHeader, Kind, StreamId};
use crate::slot::Plan;

/// A type that no specification uses: a peer must ignore the frame (RFC 9113, section 5.5).
const IGNORED: Kind = Kind(0xf0);

/// What was cut off, for [`Connection::body_failed`](crate::h2::Connection::body_failed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Cut {
    /// The stream whose body it was.
    pub stream: StreamId,
    /// Bytes of payload of DATA that will not go out as such.
    pub unsent: usize,
}

/// Takes off the wire what the stream of `plan.holes[from]` has in this slot from there on, since its file cannot fill
/// that hole: nothing of it is sent yet but, where that hole is gathered, what stands before its frame. The wire stays in
/// step: what the frames carry is gone, or they become frames that a peer ignores; END_STREAM, content that follows in
/// memory and trailers go with them. `buffer` is the slot's.
///
/// The holes stay in the plan with a length of 0.
pub fn cut<F>(plan: &mut Plan<F>, buffer: &mut [u8], from: usize) -> Cut {
    let (stream, first) = (plan.holes[from].stream, plan.holes[from].frame_at);
    let mut unsent = 0;
    let dependents = plan.dependents.iter();
    for dependent in dependents.filter(|frame| frame.stream == stream && frame.at > first) {
        unsent += ignore(buffer, dependent.at);
    }
    let holes = plan.holes[from..].iter_mut();
    for hole in holes.filter(|hole| hole.stream == stream) {
        let len = std::mem::take(&mut hole.len);
        if hole.gathered {
            unsent += len;
            let header = FrameHeader {
                length: 0,
                kind: Kind::DATA,
                flags: 0,
                stream_id: stream,
            };
            put(buffer, hole.frame_at, header);
        } else {
            unsent += ignore(buffer, hole.frame_at);
            // What another connection left there is nobody's business.
            buffer[hole.at..hole.at + len].fill(0);
        }
    }
    Cut { stream, unsent }
}

/// Makes the frame at `at` one that is ignored; the payload that it had if it was DATA.
fn ignore(buffer: &mut [u8], at: usize) -> usize {
    let Some(header) = buffer[at..].first_chunk::<FRAME_HEADER_LEN>() else {
        return 0;
    };
    let header = FrameHeader::parse(header);
    let ignored = FrameHeader {
        kind: IGNORED,
        flags: 0,
        ..header
    };
    put(buffer, at, ignored);
    if header.kind == Kind::DATA {
        header.length as usize
    } else {
        0
    }
}

fn put(buffer: &mut [u8], at: usize, header: FrameHeader) {
    buffer[at..at + FRAME_HEADER_LEN].copy_from_slice(&header.to_bytes());
}
