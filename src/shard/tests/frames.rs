//! Frames of HTTP/2, as a client sends and hears them.

/// The preface, and SETTINGS that set nothing.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const CANCEL: u32 = 8;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A request: GET, http, authority and path (RFC 7541, appendix A), and further fields (section 6.2.2).
pub(super) fn get(path: &str, fields: &[(&str, &str)], stream: u32) -> Vec<u8> {
    let mut block = b"\x82\x86\x01\x01a\x04".to_vec();
    let string = |block: &mut Vec<u8>, text: &str| {
        block.push(text.len() as u8);
        block.extend(text.as_bytes());
    };
    string(&mut block, path);
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// The streams whose field blocks were sent, in that order.
pub(super) fn answered(mut wire: &[u8]) -> Vec<u32> {
    let mut streams = Vec::new();
    while let Some((head, rest)) = wire.split_at_checked(9) {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if head[3] == HEADERS {
            streams.push(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
        wire = rest.get(len..).unwrap_or_default();
    }
    streams
}
