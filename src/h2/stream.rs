//! The states of a stream (RFC 9113, section 5.1): one pure table of transitions.
//!
//! A server that never pushes has no reserved streams. A stream that we reset is closed at once; what the peer had
//! sent before it learned of that is absorbed by the connection, which knows until when that can be.

use super::error::{ConnectionError, StreamError, Violation};

/// The state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not begun.
    Idle,
    /// Both sides may send.
    Open,
    /// The peer has ended its side.
    HalfClosedRemote,
    /// We have ended our side.
    HalfClosedLocal,
    /// Both sides have ended, or one has reset the stream.
    Closed,
    /// Closed by our RST_STREAM (or by not being admitted), of which the peer may not know yet.
    ClosedByUs,
}

/// What happens to a stream. `end` is END_STREAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// HEADERS arrives.
    RecvHeaders {
        /// END_STREAM.
        end: bool,
    },
    /// DATA arrives.
    RecvData {
        /// END_STREAM.
        end: bool,
    },
    /// RST_STREAM arrives.
    RecvReset,
    /// WINDOW_UPDATE arrives.
    RecvWindowUpdate,
    /// HEADERS or DATA is sent.
    Send {
        /// END_STREAM.
        end: bool,
    },
    /// RST_STREAM is sent.
    SendReset,
}

/// What to do with a frame that is no violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Act on it; the stream is in this state afterwards.
    To(State),
    /// Discard it: field blocks are still decoded, and DATA counts for the connection's window.
    Discard,
}

impl State {
    /// The table.
    ///
    /// # Errors
    /// A frame that the state does not allow: what it ends, and how.
    ///
    /// # Panics
    /// In debug builds, when we would send what the state does not allow: that is our own mistake, not the peer's.
    pub fn on(self, input: Input) -> Result<Next, Violation> {
        use Input as I;
        use State as S;
        let next = match (self, input) {
            (S::Idle, I::RecvHeaders { end: false }) => Next::To(S::Open),
            (S::Idle, I::RecvHeaders { end: true }) => Next::To(S::HalfClosedRemote),
            (S::Idle, I::RecvData { .. } | I::RecvReset | I::RecvWindowUpdate) => {
                return Err(ConnectionError::IdleStream.into());
            }

            // Trailers end the stream (section 8.1).
            (S::Open | S::HalfClosedLocal, I::RecvHeaders { end: false }) => {
                return Err(StreamError::TrailersWithoutEnd.into());
            }
            (S::Open, I::RecvHeaders { end: true } | I::RecvData { end: true }) => {
                Next::To(S::HalfClosedRemote)
            }
            (S::HalfClosedLocal, I::RecvHeaders { end: true } | I::RecvData { end: true }) => {
                Next::To(S::Closed)
            }
            (S::Open | S::HalfClosedLocal, I::RecvData { end: false }) => Next::To(self),

            (S::HalfClosedRemote, I::RecvHeaders { .. }) => {
                return Err(StreamError::HeadersAfterEnd.into());
            }
            (S::HalfClosedRemote | S::Closed, I::RecvData { .. }) => {
                return Err(StreamError::DataOnClosedStream.into());
            }
            (S::Closed, I::RecvHeaders { .. }) => {
                return Err(ConnectionError::HeadersOnClosedStream.into());
            }

            (S::Open | S::HalfClosedRemote | S::HalfClosedLocal, I::RecvReset) => {
                Next::To(S::Closed)
            }
            (S::Open | S::HalfClosedRemote | S::HalfClosedLocal, I::RecvWindowUpdate) => {
                Next::To(self)
            }
            (S::Closed | S::ClosedByUs, I::RecvReset | I::RecvWindowUpdate) => Next::Discard,
            (S::ClosedByUs, I::RecvHeaders { .. } | I::RecvData { .. }) => Next::Discard,

            (S::Open | S::HalfClosedRemote, I::Send { end: false }) => Next::To(self),
            (S::Open, I::Send { end: true }) => Next::To(S::HalfClosedLocal),
            (S::HalfClosedRemote, I::Send { end: true }) => Next::To(S::Closed),
            (S::Idle | S::HalfClosedLocal | S::Closed | S::ClosedByUs, I::Send { .. }) => {
                debug_assert!(false, "sent {input:?} in {self:?}");
                Next::Discard
            }
            (S::Idle, I::SendReset) => {
                debug_assert!(false, "reset an idle stream");
                Next::Discard
            }
            (_, I::SendReset) => Next::To(S::ClosedByUs),
        };
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 6] = [
        State::Idle,
        State::Open,
        State::HalfClosedRemote,
        State::HalfClosedLocal,
        State::Closed,
        State::ClosedByUs,
    ];
    const RECEIVED: [Input; 6] = [
        Input::RecvHeaders { end: false },
        Input::RecvHeaders { end: true },
        Input::RecvData { end: false },
        Input::RecvData { end: true },
        Input::RecvReset,
        Input::RecvWindowUpdate,
    ];

    /// Section 5.1, as one row for each state, in the order of `RECEIVED`.
    #[test]
    fn every_frame_in_every_state() {
        use State as S;
        let to = |state| Ok(Next::To(state));
        let discard = Ok(Next::Discard);
        let idle = Err(ConnectionError::IdleStream.into());
        let closed = Err(Violation::Stream(StreamError::DataOnClosedStream));
        let after_end = Err(Violation::Stream(StreamError::HeadersAfterEnd));
        let no_end = Err(Violation::Stream(StreamError::TrailersWithoutEnd));
        let reused = Err(ConnectionError::HeadersOnClosedStream.into());
        let table = [
            [to(S::Open), to(S::HalfClosedRemote), idle, idle, idle, idle],
            [
                no_end,
                to(S::HalfClosedRemote),
                to(S::Open),
                to(S::HalfClosedRemote),
                to(S::Closed),
                to(S::Open),
            ],
            [
                after_end,
                after_end,
                closed,
                closed,
                to(S::Closed),
                to(S::HalfClosedRemote),
            ],
            [
                no_end,
                to(S::Closed),
                to(S::HalfClosedLocal),
                to(S::Closed),
                to(S::Closed),
                to(S::HalfClosedLocal),
            ],
            [reused, reused, closed, closed, discard, discard],
            [discard; 6],
        ];
        for (state, row) in STATES.into_iter().zip(table) {
            for (input, expected) in RECEIVED.into_iter().zip(row) {
                assert_eq!(state.on(input), expected, "{input:?} in {state:?}");
            }
        }
    }

    #[test]
    fn what_we_send() {
        use State as S;
        assert_eq!(
            S::Open.on(Input::Send { end: false }),
            Ok(Next::To(S::Open))
        );
        assert_eq!(
            S::Open.on(Input::Send { end: true }),
            Ok(Next::To(S::HalfClosedLocal))
        );
        assert_eq!(
            S::HalfClosedRemote.on(Input::Send { end: false }),
            Ok(Next::To(S::HalfClosedRemote))
        );
        assert_eq!(
            S::HalfClosedRemote.on(Input::Send { end: true }),
            Ok(Next::To(S::Closed))
        );
        for state in STATES.into_iter().skip(1) {
            assert_eq!(state.on(Input::SendReset), Ok(Next::To(S::ClosedByUs)));
        }
    }

    #[test]
    fn a_closed_stream_stays_closed() {
        for state in [State::Closed, State::ClosedByUs] {
            for input in RECEIVED {
                assert!(
                    !matches!(state.on(input), Ok(Next::To(_))),
                    "{input:?} in {state:?}"
                );
            }
        }
    }
}
