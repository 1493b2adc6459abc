//! How requests and connections end: answered, given up, cut off.

use std::os::fd::AsFd;

use super::connection::{Connection, Phase, Spoken, code_name};
use super::exchange::Exchange;
use super::feed::Job;
use super::result::{ErrorKind, Mismatch, MismatchKind};
use super::worker::Shared;
use crate::h2::{ErrorCode, StreamId};

/// How often a request is made again that the server refuses unprocessed: one that refuses all of them is not asked for
/// ever. Before its SETTINGS have come, or as it ends a connection, a server refuses one once or twice.
const MAX_REFUSALS: u32 = 8;

/// How the server ends its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should, so that content that lasts until the end is whole.
    Whole,
    /// So that something may be missing.
    Cut,
}

impl Connection {
    /// Gives up what has had nothing for too long.
    pub(super) fn check_timeouts(&mut self, shared: &mut Shared) {
        let timeout_ns = shared.timeout_ns;
        let now_ns = shared.now_ns;
        let late = |since_ns: u64| now_ns.saturating_sub(since_ns) >= timeout_ns;
        match self.phase {
            Phase::Closing => return,
            Phase::Connecting if late(self.began_ns) => {
                return self.fail(ErrorKind::ConnectTimeout, shared);
            }
            Phase::Handshake(_) if late(self.progress_ns) => {
                let reason = "the handshake took too long".to_owned();
                return self.fail(ErrorKind::Tls { reason }, shared);
            }
            _ => {}
        }
        // While content goes out nothing need come.
        let uploads = shared.requests.upload_bytes() > 0;
        let connection_ns = if uploads { self.progress_ns } else { 0 };
        let expired = |exchange: &Exchange| late(exchange.progress_ns.max(connection_ns));
        match &mut self.spoken {
            Spoken::Nothing => {}
            Spoken::H2(side) => {
                let mut streams: Vec<StreamId> = Vec::new();
                for (stream, exchange) in &side.exchanges {
                    if expired(exchange) {
                        streams.push(*stream);
                    }
                }
                // A cancelled stream counts against the server's limit until it confirms, which a silent one never does.
                let is_silent = late(self.heard_ns.max(connection_ns));
                self.retiring |= is_silent && !streams.is_empty();
                let refuses = self.busy && side.exchanges.is_empty();
                for stream in streams {
                    side.core.cancel(stream);
                    if let Some(exchange) = side.exchanges.remove(&stream) {
                        shared.failed(exchange, self.number, stream, ErrorKind::Timeout);
                    }
                }
                if is_silent && refuses {
                    return self.close(shared);
                }
                self.refresh(shared);
            }
            Spoken::H1(side) => {
                if let Some(exchange) = side.exchange.take_if(|exchange| expired(exchange)) {
                    shared.failed(exchange, self.number, side.made, ErrorKind::Timeout);
                    self.retiring = true;
                    self.close(shared);
                }
            }
        }
    }

    /// Gives up everything in flight: time is up. How old it all was is noted.
    pub(super) fn cut(&mut self, shared: &mut Shared) {
        for (stream, exchange) in self.spoken.drain() {
            if exchange.is_wrong() {
                shared.failed(exchange, self.number, stream, ErrorKind::Mismatch);
                continue;
            }
            shared.in_flight -= 1;
            let since_ns = if shared.feed.is_open() {
                exchange.job.due_ns
            } else {
                exchange.started_ns
            };
            let age_ns = shared.now_ns.saturating_sub(since_ns);
            shared.recorder.unfinished(&exchange.job, age_ns);
        }
    }

    /// The connection fails, and all that is in flight on it.
    pub(super) fn fail(&mut self, error: ErrorKind, shared: &mut Shared) {
        match self.phase {
            Phase::Closing => return,
            Phase::Connecting | Phase::Handshake(_) => shared.recorder.no_connection(error),
            Phase::Open => {
                shared.recorder.connections.lost += 1;
                self.fail_all(Some(error), shared);
            }
        }
        self.close(shared);
    }

    /// The server has ended the connection.
    pub(super) fn ended(&mut self, end: End, shared: &mut Shared) {
        match self.phase {
            Phase::Closing => return,
            Phase::Connecting => {}
            Phase::Handshake(_) => {
                let reason = "the server closed the connection during the handshake".to_owned();
                shared.recorder.no_connection(ErrorKind::Tls { reason });
            }
            Phase::Open => {
                shared.recorder.connections.lost += 1;
                let number = self.number;
                if end == End::Whole
                    && let Spoken::H1(side) = &mut self.spoken
                    && side.core.handle_end()
                    && let Some(exchange) = side.exchange.take()
                {
                    shared.ended(exchange, number, side.made);
                }
                let goaway = match &self.spoken {
                    Spoken::H2(side) => side.goaway.filter(|code| *code != ErrorCode::NO_ERROR),
                    _ => None,
                };
                let error = goaway.map(|code| ErrorKind::Goaway {
                    code: code_name(code),
                });
                self.fail_all(error, shared);
            }
        }
        self.close(shared);
    }

    /// Fails what is in flight, for this reason or as cut off.
    fn fail_all(&mut self, error: Option<ErrorKind>, shared: &mut Shared) {
        for (stream, exchange) in self.spoken.drain() {
            let error = error.clone().unwrap_or_else(|| exchange.cut());
            shared.failed(exchange, self.number, stream, error);
        }
    }

    /// Ends it; what is left in flight was dealt with.
    pub(super) fn close(&mut self, shared: &mut Shared) {
        if matches!(self.phase, Phase::Closing) {
            return;
        }
        self.fail_all(None, shared);
        self.phase = Phase::Closing;
        if self.operations > 0 {
            shared.ring.cancel(self.socket.as_fd());
        }
        if let Some(gather) = self.outgoing.take() {
            shared.give_back(gather);
        }
    }
}

impl Spoken {
    /// Takes all requests in flight, with their streams: over HTTP/1.1 the number of the request.
    fn drain(&mut self) -> Vec<(u32, Exchange)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::H2(side) => side.exchanges.drain().collect(),
            Self::H1(side) => {
                let exchange = side.exchange.take();
                exchange
                    .map(|exchange| (side.made, exchange))
                    .into_iter()
                    .collect()
            }
        }
    }
}

impl Shared {
    /// A request is over, well or badly.
    pub(super) fn ended(&mut self, exchange: Exchange, connection: u64, stream: u32) {
        self.in_flight -= 1;
        let job = exchange.job;
        let first_ns = exchange.first_ns - exchange.started_ns;
        let last_ns = self.now_ns - exchange.started_ns;
        let due_ns = self.now_ns - job.due_ns;
        match exchange.end() {
            Ok(()) => {
                self.recorder.succeeded(&job, first_ns, last_ns, due_ns);
            }
            Err((error, mismatch)) => {
                if let Some(what) = mismatch {
                    self.mismatch(&job, connection, stream, what);
                }
                self.recorder.failed(&job, error, last_ns);
            }
        }
    }

    /// A request failed before its response was whole: a byte that came and was wrong is told all the same.
    pub(super) fn failed(
        &mut self,
        mut exchange: Exchange,
        connection: u64,
        stream: u32,
        error: ErrorKind,
    ) {
        self.in_flight -= 1;
        let job = exchange.job;
        let since_ns = if self.feed.is_open() {
            job.due_ns
        } else {
            exchange.started_ns
        };
        let age_ns = self.now_ns.saturating_sub(since_ns);
        let error = match exchange.take_wrong() {
            None => error,
            Some(what) => {
                self.mismatch(&job, connection, stream, what);
                ErrorKind::Mismatch
            }
        };
        self.recorder.failed(&job, error, age_ns);
    }

    /// The server refused a request unprocessed (RFC 9113, section 8.7): it is made again, on this connection or another,
    /// unless it was refused too often.
    pub(super) fn refused(
        &mut self,
        exchange: Exchange,
        connection: u64,
        stream: u32,
        error: ErrorKind,
    ) {
        if exchange.job.refusals == MAX_REFUSALS {
            return self.failed(exchange, connection, stream, error);
        }
        self.in_flight -= 1;
        self.recorder.retried(&exchange.job);
        self.feed.refused(exchange.job, exchange.started_ns);
    }

    fn mismatch(&mut self, job: &Job, connection: u64, stream: u32, what: MismatchKind) {
        let url = &self.plan.options.targets[job.target as usize].url;
        self.recorder.mismatch(|| Mismatch {
            url: url.clone(),
            connection,
            stream,
            what,
        });
    }
}
