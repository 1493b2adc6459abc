//! How much a socket may hold that is not sent yet (`TCP_NOTSENT_LOWAT`, tcp(7)).
//!
//! Whatever it holds goes out before anything that is more urgent, so it is little; but each time that a socket is full
//! and has room again costs a wakeup, and a fast peer asks for thousands of them a second. So it is what the peer takes in
//! [`UNSENT_FOR_NS`]. Only for a near peer, in the clear, it stays little: one on the same machine is fastest while what
//! it takes is still in the processor's cache, where nothing paces it and it does not take one long answer alone.

/// The least, and what a connection begins with, in bytes.
pub(super) const MIN_UNSENT: u32 = 128 << 10;
/// The most: larger ones cost hardly less.
pub(super) const MAX_UNSENT: u32 = 1 << 20;
/// What is more urgent waits about so long for what the socket holds.
const UNSENT_FOR_NS: u64 = 1_250_000;

/// The limit of one socket.
#[derive(Debug)]
pub(super) struct Unsent {
    limit: u32,
    /// Bytes that it took since it was last full.
    taken: u64,
    full_ns: u64,
}

impl Unsent {
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            limit: MIN_UNSENT,
            taken: 0,
            full_ns: now_ns,
        }
    }

    /// The socket took so many bytes.
    pub(super) fn note_taken(&mut self, bytes: usize) {
        self.taken += bytes as u64;
    }

    /// The socket is full: the limit, when it is to be another, of `most` bytes. It is doubled or halved at a time, as what
    /// came between may have been a pause.
    pub(super) fn note_full(&mut self, most: u32, now_ns: u64) -> Option<u32> {
        let elapsed_ns = now_ns.saturating_sub(self.full_ns).max(1);
        let fitting = self.taken.saturating_mul(UNSENT_FOR_NS) / elapsed_ns;
        (self.taken, self.full_ns) = (0, now_ns);
        let limit = u64::from(self.limit);
        let next = if fitting >= 2 * limit && self.limit < most {
            self.limit * 2
        } else if (fitting < limit / 2 || self.limit > most) && self.limit > MIN_UNSENT {
            self.limit / 2
        } else {
            return None;
        };
        self.limit = next;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit after a while at `rate` bytes per second.
    fn after(unsent: &mut Unsent, rate: u64, most: u32) -> u32 {
        let mut now_ns = unsent.full_ns;
        for _ in 0..20 {
            unsent.note_taken(200_000);
            now_ns += 200_000 * 1_000_000_000 / rate;
            let before = unsent.limit;
            let told = unsent.note_full(most, now_ns);
            assert_eq!(told, (unsent.limit != before).then_some(unsent.limit));
        }
        unsent.limit
    }

    #[test]
    fn it_is_what_drains_in_about_a_millisecond() {
        let mut unsent = Unsent::new(5);
        for (rate, limit) in [
            (1_000_000, MIN_UNSENT),
            (125_000_000, MIN_UNSENT),
            (300_000_000, 256 << 10),
            (5_000_000_000, MAX_UNSENT),
            (600_000_000, MAX_UNSENT),
            (400_000_000, 512 << 10),
            (10_000, MIN_UNSENT),
        ] {
            assert_eq!(after(&mut unsent, rate, MAX_UNSENT), limit, "{rate}");
        }
        // While others are to be considered it is the least, however fast it goes.
        assert_eq!(after(&mut unsent, 5_000_000_000, MAX_UNSENT), MAX_UNSENT);
        assert_eq!(after(&mut unsent, 5_000_000_000, MIN_UNSENT), MIN_UNSENT);
    }
}
