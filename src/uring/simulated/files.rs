//! Files in memory that take none: their bytes follow from their number and the offset.

use std::sync::OnceLock;

/// The bytes of all files come round after so many: a prime, so that no size or offset in use fits it.
const PERIOD: usize = 65_521;

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Relative to the root.
    pub(crate) path: String,
    /// Tells its contents.
    pub(crate) number: usize,
    pub(crate) len: u64,
    /// Cut short since it was made, or gone.
    pub(crate) changed: bool,
    pub(crate) exists: bool,
    /// An operation on it has failed.
    pub(crate) failed: bool,
}

fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut random = super::Random::new(1);
        let mut once: Vec<u8> = (0..PERIOD).map(|_| random.number() as u8).collect();
        once.extend_from_within(..);
        once
    })
}

/// The stretches of the table that make up `len` bytes of a file.
fn stretches(number: usize, offset: u64, len: usize) -> impl Iterator<Item = &'static [u8]> {
    let mut at = ((offset + number as u64 * 7_919) % PERIOD as u64) as usize;
    let mut left = len;
    std::iter::from_fn(move || {
        let stretch = &table()[at..at + left.min(PERIOD)];
        left -= stretch.len();
        at = (at + stretch.len()) % PERIOD;
        (!stretch.is_empty()).then_some(stretch)
    })
}

/// Writes the bytes of a file from `offset` on.
pub(crate) fn fill(number: usize, offset: u64, mut into: &mut [u8]) {
    for stretch in stretches(number, offset, into.len()) {
        let (now, rest) = into.split_at_mut(stretch.len());
        now.copy_from_slice(stretch);
        into = rest;
    }
}

/// Whether `bytes` are those of a file from `offset` on.
pub(crate) fn matches(number: usize, offset: u64, mut bytes: &[u8]) -> bool {
    stretches(number, offset, bytes.len()).all(|stretch| {
        let (now, rest) = bytes.split_at(stretch.len());
        bytes = rest;
        now == stretch
    })
}
