//! Frame headers, and the payload of each type.

use ringlane::h2::Priority;
use ringlane::h2::frame::{
    self, FRAME_HEADER_LEN, FrameHeader, Goaway, Headers, Kind, flags, parse_ping,
    parse_priority_update, parse_rst_stream, parse_window_update,
};
use ringlane::h2::limits::{DEFAULT_WINDOW, MAX_MAX_FRAME_SIZE, MAX_WINDOW, MIN_MAX_FRAME_SIZE};
use ringlane::h2::settings::PeerSettings;

use super::input::Input;

/// Reads the bytes as a row of frames; what is read and written again is what was there.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = MIN_MAX_FRAME_SIZE + u32::from(input.byte());
    let mut rest = input.rest();
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        let header = FrameHeader::parse(head);
        let mut canonical = *head;
        canonical[5] &= 0x7f;
        assert_eq!(header.to_bytes(), canonical);
        let payload = &after[..after.len().min(header.length as usize)];
        rest = &after[payload.len()..];
        let whole = payload.len() == header.length as usize;
        let admitted = header.check(limit).is_ok() && whole;
        parse(header, payload, canonical, admitted);
    }
}

/// Parses the payload as every type could: no parser may rely on the header having been checked.
fn parse(header: FrameHeader, payload: &[u8], head: [u8; FRAME_HEADER_LEN], admitted: bool) {
    if let Ok(headers) = Headers::parse(header, payload) {
        assert!(headers.fragment.len() <= payload.len());
        assert!(headers.dependency.is_some() == header.has(flags::PRIORITY));
    }
    let mut settings = PeerSettings::default();
    if let Ok(on_the_way) = settings.apply(payload) {
        assert!(on_the_way.lowest_table <= settings.header_table_size.min(4_096));
        assert!(on_the_way.highest_window >= settings.initial_window_size.max(DEFAULT_WINDOW));
        assert!(settings.initial_window_size <= MAX_WINDOW);
        assert!((MIN_MAX_FRAME_SIZE..=MAX_MAX_FRAME_SIZE).contains(&settings.max_frame_size));
    }
    let goaway = Goaway::parse(payload);
    let update = parse_priority_update(payload);
    if let Ok((stream, value)) = update {
        assert!(stream <= MAX_WINDOW);
        assert!(Priority::parse(value).urgency < 8);
    }
    let (reset, ping) = (parse_rst_stream(payload), parse_ping(payload));
    let increment = parse_window_update(payload);
    if !admitted {
        return;
    }
    // What the header promised holds.
    let wire = [&head[..], payload].concat();
    match header.kind {
        Kind::RST_STREAM => {
            let code = reset.expect("its length was checked");
            let back = frame::rst_stream(header.stream_id, code);
            assert_eq!(back[FRAME_HEADER_LEN..], wire[FRAME_HEADER_LEN..]);
        }
        Kind::PING => {
            let ping = ping.expect("its length was checked");
            let back = frame::ping(ping, header.has(flags::ACK));
            assert_eq!(back[FRAME_HEADER_LEN..], wire[FRAME_HEADER_LEN..]);
        }
        Kind::WINDOW_UPDATE => {
            let increment = increment.expect("its length was checked");
            assert!(increment <= MAX_WINDOW);
        }
        Kind::GOAWAY => {
            let goaway = goaway.expect("its length was checked");
            assert_eq!(goaway.debug.len() + 8, payload.len());
        }
        Kind::PRIORITY_UPDATE => assert!(update.is_ok()),
        _ => {}
    }
}
