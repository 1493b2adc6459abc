//! The sending direction: the scheduler that fills slots.
//!
//! Control frames first, then by urgency (RFC 9218, section 10). Within an urgency, field blocks come before bodies,
//! and a body of at most [`SMALL_BODY`](super::limits::SMALL_BODY) bytes goes with its field block; then bodies, in the
//! order in which they were answered, incremental ones taking turns frame by frame. The end of a message that comes
//! apart from its content (trailers, END_STREAM learnt late) needs no window and goes as a field block does. Every step
//! is O(1).

mod block;
mod control;
mod cut;
mod response;

pub(super) use block::PendingBlock;
pub use cut::{Cut, cut};

use super::connection::Connection;
use super::control::Control;
use super::limits::MAX_UNPACED_FRAME;
use super::priority::Priority;
use super::streams::{Index, NONE, Phase};
use crate::slot::{Slot, Source};

impl<F: Source> Connection<F> {
    /// Whether [`Connection::poll_transmit`] would put anything now, windows considered. O(1).
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        self.pending.is_some()
            || !self.control.is_empty()
            || self.resets.wants_ping()
            || self.urgencies() != 0
    }

    /// Fills the slot with all there is to say, in order: the rest of a field block that was begun, control frames,
    /// then field blocks and bodies by priority. Calls [`Slot::ends`] with the time of the request for each response
    /// whose END_STREAM is framed.
    pub fn poll_transmit(&mut self, now_ns: u64, slot: &mut Slot<'_, F>) {
        self.active_ns = now_ns;
        if !self.pace.is_busy() {
            // What was framed before is on its way: its files cannot fail any more.
            self.ended.clear();
        }
        if self.streams.len() > 0 {
            (self.clocks.busy_ns, self.clocks.sending) = (now_ns, true);
        }
        slot.limit_burst(self.burst());
        self.fill(slot);
        self.pace.filled(slot.wire_len(), now_ns);
        self.invariants();
    }

    fn fill(&mut self, slot: &mut Slot<'_, F>) {
        if !self.put_pending(slot) || !self.put_control(slot) {
            return;
        }
        let base = slot.wire_len();
        while let Some(urgency) = self.most_urgent() {
            let fresh = self.ready.first_fresh(urgency);
            let more = if fresh == NONE {
                self.put_body(slot, self.ready.first_body(urgency), base)
            } else {
                self.put_response(slot, fresh, base)
            };
            if !more {
                break;
            }
        }
        if self.pending.is_none() {
            self.put_control(slot);
        }
    }

    /// Urgencies of which something can be sent now, as a bit mask.
    fn urgencies(&self) -> u8 {
        let bodies = if self.send_window.available() > 0 {
            self.ready.body_mask()
        } else {
            0
        };
        self.ready.fresh_mask() | bodies
    }

    fn most_urgent(&self) -> Option<usize> {
        let urgencies = self.urgencies();
        (urgencies != 0).then(|| urgencies.trailing_zeros() as usize)
    }

    /// The largest frame of a field block, in bytes.
    fn block_limit(&self) -> usize {
        self.peer.max_frame_size.min(MAX_UNPACED_FRAME) as usize
    }

    /// The largest DATA frame to send now, in bytes: as large as the peer takes and the latency bound allows when a
    /// stream is alone, less when others may want the wire.
    fn data_limit(&self) -> usize {
        self.pace
            .frame_limit(self.peer.max_frame_size, self.streams.len() == 1)
    }

    /// Wire bytes that a slot is to take at most, so that what is answered next waits no longer than the latency
    /// bound; `usize::MAX` while nothing is known of the transport. A driver may lease its slots by it.
    #[must_use]
    pub fn burst(&self) -> usize {
        self.pace
            .bound(self.streams.len() <= 1)
            .unwrap_or(usize::MAX)
    }

    /// The transport has taken `len` more bytes of what [`Connection::poll_transmit`] gave, and had been full before if it
    /// was `waited` for; `all` when nothing of it is left, also of what was dropped instead of being sent. From these the
    /// connection knows how fast it is ([`Connection::burst`], the size of DATA frames), whether the peer still reads, and
    /// since when our SETTINGS and PINGs are the peer's to answer. A driver that never calls this gets frames of 64 KiB and
    /// no end of peers that stopped reading.
    pub fn note_drained(&mut self, len: usize, all: bool, waited: bool, now_ns: u64) {
        self.pace.drained(len, all, waited, now_ns);
        let asking = self.control.contains(&Control::KeepalivePing);
        self.clocks.drained(all, asking, now_ns);
    }

    /// Continues the field block that was begun; whether there is none any more.
    fn put_pending(&mut self, slot: &mut Slot<'_, F>) -> bool {
        let limit = self.block_limit();
        let Some(pending) = &mut self.pending else {
            return true;
        };
        if !pending.put(slot, limit) {
            return false;
        }
        let (stream, end_stream) = (pending.stream(), pending.ends_stream());
        self.pending = None;
        if let Some(index) = self.streams.find(stream) {
            if end_stream {
                self.end_response(slot, index);
            } else {
                self.queue_rest(index, false);
            }
        }
        true
    }

    /// Puts every body into the queue that its window says, after all windows have changed.
    pub(super) fn requeue_all(&mut self) {
        let data_ns = self.clocks.data_ns;
        for index in 0..self.streams.places() {
            let stream = self.streams.get_mut(index);
            let open = stream.send_window.available() > 0;
            match (stream.id, stream.phase) {
                (0, _) => {}
                (_, Phase::Body) if !open => {
                    // Its time was that of others as long as they moved on; a window that shuts again is no progress.
                    stream.moved_ns = stream.moved_ns.max(data_ns);
                    self.ready.unlink(&mut self.streams, index, Phase::Blocked);
                }
                (_, Phase::Blocked) if open => {
                    self.ready.push_back(&mut self.streams, index, Phase::Body)
                }
                _ => {}
            }
        }
    }

    /// Changes the priority of a stream, which goes to the end of its new queue.
    pub(super) fn reprioritize(&mut self, index: Index, priority: Priority) {
        let stream = self.streams.get_mut(index);
        let phase = stream.phase;
        if stream.priority == priority {
            return;
        }
        if phase.is_queued() {
            self.ready.unlink(&mut self.streams, index, Phase::Heading);
            self.streams.get_mut(index).priority = priority;
            self.ready.push_back(&mut self.streams, index, phase);
        } else {
            stream.priority = priority;
        }
    }
}
