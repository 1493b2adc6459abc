//! Memory that small files are read into.

use std::collections::VecDeque;
use std::mem;

use bytes::{Bytes, BytesMut};

use crate::files::SMALL_FILE_BYTES;

/// Files that may lie in lent memory at once. The contents of others are copied: those take no more than they need, however
/// long their clients let them wait.
const MAX_LENT: usize = 32;

/// A buffer to read into. When it holds a file that is not kept, it is lent to its answer and another takes its place, so that
/// nothing is copied nor asked of the allocator.
#[derive(Default)]
pub(super) struct Buffers {
    /// Empty until a file is read.
    buffer: BytesMut,
    /// All of those that were lent, the longest first. Nobody has those that are unique any more.
    lent: VecDeque<Bytes>,
}

impl Buffers {
    /// What a file is read into: [`SMALL_FILE_BYTES`].
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = zeroed();
        }
        &mut self.buffer
    }

    /// The first `len` bytes of the buffer, at most all of them, of a file that `stays` in memory or goes with its answer.
    pub(super) fn take(&mut self, len: usize, stays: bool) -> Bytes {
        if !stays && let Some(another) = self.another() {
            let whole = mem::replace(&mut self.buffer, another).freeze();
            let contents = whole.slice(..len);
            self.lent.push_back(whole);
            return contents;
        }
        Bytes::copy_from_slice(&self.buffer[..len])
    }

    fn another(&mut self) -> Option<BytesMut> {
        match self.lent.iter().position(Bytes::is_unique) {
            Some(back) => self.lent.remove(back)?.try_into_mut().ok(),
            None => (self.lent.len() < MAX_LENT).then(zeroed),
        }
    }
}

fn zeroed() -> BytesMut {
    BytesMut::zeroed(SMALL_FILE_BYTES as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(buffers: &mut Buffers, byte: u8, len: usize, stays: bool) -> Bytes {
        buffers.buffer()[..len].fill(byte);
        buffers.take(len, stays)
    }

    #[test]
    fn what_came_back_is_read_into_again() {
        let mut buffers = Buffers::default();
        let first = take(&mut buffers, 1, 100, false);
        let second = take(&mut buffers, 2, 10, false);
        assert_eq!((&first[..], &second[..]), (&[1; 100][..], &[2; 10][..]));
        let (addresses, tail) = ([first.as_ptr(), second.as_ptr()], second.slice(5..));
        drop((first, second));
        // The first is there again, of the second somebody has a part.
        let third = take(&mut buffers, 3, 10, false);
        assert_eq!(buffers.buffer().as_ptr(), addresses[0]);
        let fourth = take(&mut buffers, 4, SMALL_FILE_BYTES as usize, false);
        assert!(third.as_ptr() != fourth.as_ptr() && fourth.as_ptr() == addresses[0]);
        assert_eq!((&third[..], &tail[..]), (&[3; 10][..], &[2; 5][..]));
        assert!(fourth.iter().all(|&byte| byte == 4));
    }

    #[test]
    fn it_is_lent_to_so_many_and_not_to_what_stays() {
        let mut buffers = Buffers::default();
        let stays = take(&mut buffers, 1, 10, true);
        assert_ne!(stays.as_ptr(), buffers.buffer().as_ptr());
        let lent: Vec<_> = (0..MAX_LENT)
            .map(|at| take(&mut buffers, at as u8, 10, false))
            .collect();
        let buffer = buffers.buffer().as_ptr();
        for byte in 100..103 {
            let copied = take(&mut buffers, byte, 10, false);
            assert_eq!(buffers.buffer().as_ptr(), buffer);
            assert_eq!(copied[..], [byte; 10]);
        }
        for (at, lent) in lent.iter().enumerate() {
            assert_eq!(lent[..], [at as u8; 10]);
        }
        drop(lent);
        let lent = take(&mut buffers, 1, 10, false);
        assert_eq!(lent.as_ptr(), buffer);
    }
}
