//! Seeded contents: files whose every byte can be told from its place alone, without keeping a copy.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

const BLOCK: usize = 16 * MIB;
const CHUNK: usize = 64 * KIB;

/// SplitMix64: small, fast in an unoptimized build, and good enough to make choices and bytes.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound` (which is not 0).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// A number in `low..=high`, spread evenly over the logarithm.
    pub(crate) fn by_magnitude(&mut self, low: usize, high: usize) -> usize {
        let bits = self.below(high.ilog2() as usize + 1);
        ((1 << bits) + self.below(1 << bits)).clamp(low, high)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The seed of this run, printed so that a failure can be repeated.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("RINGLANE_TEST_SEED")
        .map_or(1, |text| text.parse().expect("a number as the seed"));
    println!("RINGLANE_TEST_SEED={seed}");
    seed
}

fn block() -> &'static [u8] {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut rng = Rng::new(0x7269_6e67);
        (0..BLOCK / 8)
            .flat_map(|_| rng.next().to_le_bytes())
            .collect()
    })
}

/// What a file holds: pieces of one random block, each from a place that the seed and the piece's number give, so that
/// a byte from another file or another place is found out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    seed: u64,
    len: usize,
}

impl Content {
    pub(crate) fn new(seed: u64, len: usize) -> Self {
        Self { seed, len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn chunk(&self, number: usize) -> &'static [u8] {
        let place = mix(self.seed ^ mix(number as u64 + 1)) % (BLOCK - CHUNK) as u64;
        let start = usize::try_from(place).unwrap();
        let len = CHUNK.min(self.len - number * CHUNK);
        &block()[start..start + len]
    }

    /// Where `got`, which came at offset `at`, first differs from what should be there; `None` when nowhere.
    pub(crate) fn first_wrong(&self, at: usize, got: &[u8]) -> Option<usize> {
        let mut done = 0;
        while done < got.len() {
            let offset = at + done;
            if offset >= self.len {
                return Some(offset);
            }
            let expected = &self.chunk(offset / CHUNK)[offset % CHUNK..];
            let len = expected.len().min(got.len() - done);
            let piece = &got[done..done + len];
            if piece != &expected[..len] {
                let within = piece
                    .iter()
                    .zip(expected)
                    .position(|(a, b)| a != b)
                    .unwrap();
                return Some(offset + within);
            }
            done += len;
        }
        None
    }

    /// Panics unless `got` is right for the offset `at`.
    pub(crate) fn assert_right(&self, name: &str, at: usize, got: &[u8]) {
        if let Some(wrong) = self.first_wrong(at, got) {
            panic!(
                "{name}: wrong byte at {wrong} (of {}), in a piece of {} at {at}",
                self.len,
                got.len()
            );
        }
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        for number in 0..self.len.div_ceil(CHUNK) {
            file.write_all(self.chunk(number))?;
        }
        Ok(())
    }
}

/// A file of a tree: its path as a request names it, and what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) content: Content,
}

/// Sizes at which a frame, a record, a window or a slot may end.
const EDGES: [usize; 22] = [
    0, 1, 2, 1023, 1024, 16_374, 16_375, 16_376, 16_383, 16_384, 16_385, 65_534, 65_535, 65_536,
    65_537, 262_143, 262_144, 262_145, 1_048_575, 1_048_576, 1_048_577, 10_485_760,
];

/// Writes `count` files below `root`: the edges first, then any magnitude to 1 MiB, each fiftieth up to 10 MiB.
pub(crate) fn tree(root: &Path, count: usize, seed: u64) -> Vec<Entry> {
    let mut rng = Rng::new(seed);
    (0..count)
        .map(|number| {
            let len = match number {
                _ if number < EDGES.len() => EDGES[number],
                _ if number % 50 == 0 => MIB + rng.below(9 * MIB),
                _ => rng.by_magnitude(0, MIB),
            };
            let entry = Entry {
                path: format!("/tree/d{}/f{number}.bin", number % 7),
                content: Content::new(rng.next(), len),
            };
            entry.content.write(&root.join(&entry.path[1..])).unwrap();
            entry
        })
        .collect()
}
