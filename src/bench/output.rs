//! What goes out on a connection: all that it has to say, in one send.

use bytes::Bytes;
use rustix::io::Errno;

use super::connection::{Connection, Phase, Spoken};
use super::result::ErrorKind;
use super::worker::Shared;
use crate::slot::{Layout, Slot};
use crate::uring::{Gather, Lease};

/// Bytes of a slot for requests without content, and with.
const SLOT_BYTES: usize = 16 << 10;
const UPLOAD_SLOT_BYTES: usize = 256 << 10;

impl Connection {
    /// Whether a flush would send something.
    pub(super) fn wants_flush(&self) -> bool {
        let control = self
            .session
            .as_ref()
            .is_some_and(|session| session.has_control());
        control || !self.raw.is_empty() || self.spoken.wants_transmit()
    }

    /// Sends what there is to send, if the last send is done.
    pub(super) fn flush(&mut self, shared: &mut Shared) {
        self.dirty = false;
        if self.sending || matches!(self.phase, Phase::Closing | Phase::Connecting) {
            return;
        }
        if let Some(session) = &mut self.session {
            session.take_control(&mut self.raw);
        }
        let mut gather = shared.pool.pop().unwrap_or_else(Gather::new);
        if !self.raw.is_empty() {
            gather.push_bytes(Bytes::from(std::mem::take(&mut self.raw)));
        }
        if self.spoken.wants_transmit()
            && let Err(error) = self.fill(&mut gather, shared)
        {
            shared.give_back(gather);
            return self.fail(error, shared);
        }
        if gather.remaining() > 0 {
            self.send(gather, shared);
            return;
        }
        shared.give_back(gather);
        if self.is_done() {
            self.close(shared);
        }
    }

    /// Fills a slot with what the protocol has to say, sealed where TLS is spoken.
    fn fill(&mut self, gather: &mut Gather, shared: &mut Shared) -> Result<(), ErrorKind> {
        let bytes = match shared.requests.upload_bytes() {
            0 => SLOT_BYTES,
            _ => UPLOAD_SLOT_BYTES,
        };
        let arena = shared.ring.arena();
        let lease = arena.lease(bytes).or_else(|| arena.lease(SLOT_BYTES));
        let mut lease = lease.unwrap_or_else(|| Lease::on_heap(SLOT_BYTES));
        let layout = match &self.session {
            None => Layout::Placed,
            Some(session) => Layout::Sealed(session.layout()),
        };
        let plan = &mut shared.slot;
        let mut slot = Slot::new(&mut lease, plan, layout, usize::MAX);
        let content = match &mut self.spoken {
            Spoken::Nothing => 0,
            Spoken::H2(side) => side.core.poll_transmit(&mut slot),
            Spoken::H1(side) => side.core.transmit(slot.room(), |bytes| slot.put(bytes)),
        };
        slot.finish();
        if let Some(session) = &mut self.session {
            session
                .seal(&mut lease, &plan.records)
                .map_err(|error| super::connection::tls_error(&error))?;
        }
        shared.recorder.uploaded(content);
        gather.set_buffer(lease);
        gather.push_buffer(plan.used.clone());
        Ok(())
    }

    /// A send came back.
    pub(super) fn sent(
        &mut self,
        mut gather: Box<Gather>,
        result: Result<usize, Errno>,
        shared: &mut Shared,
    ) {
        self.sending = false;
        if matches!(self.phase, Phase::Closing) {
            return shared.give_back(gather);
        }
        let n = match result {
            Ok(n) => n,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => 0,
            Err(_) => {
                shared.give_back(gather);
                // What the server has said before may still be read: the receive tells when it has ended.
                return;
            }
        };
        if n > 0 {
            self.progress_ns = shared.now_ns;
            shared.recorder.sent(n);
        }
        gather.advance(n);
        if gather.remaining() > 0 {
            self.outgoing = Some(gather);
            return self.poll_writable(shared);
        }
        shared.give_back(gather);
        if self.wants_flush() {
            self.mark(shared);
        } else if self.is_done() {
            self.close(shared);
        }
    }

    /// The socket takes more, or has something to tell.
    pub(super) fn writable(&mut self, result: Result<bool, Errno>, shared: &mut Shared) {
        match (result, self.outgoing.take()) {
            (Ok(true) | Err(Errno::INTR | Errno::AGAIN), Some(gather)) => self.send(gather, shared),
            (_, gather) => {
                // The server has ended its side: the receive tells.
                gather
                    .into_iter()
                    .for_each(|gather| shared.give_back(gather));
            }
        }
    }
}

impl Spoken {
    fn wants_transmit(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::H2(side) => side.core.wants_transmit(),
            Self::H1(side) => side.core.wants_transmit(),
        }
    }
}

impl Shared {
    /// Takes a gather back for the next send.
    pub(super) fn give_back(&mut self, mut gather: Box<Gather>) {
        gather.clear();
        self.pool.push(gather);
    }
}
