//! New inputs: random ones, and ones of the corpus with a few changes.

use crate::random::Random;

/// The longest random input in bytes.
const RANDOM_BYTES: usize = 400;
/// The longest input in bytes.
const MOST_BYTES: usize = 4_096;

/// Values at which lengths, identifiers and codes change their meaning.
const EDGES: [u8; 10] = [0x00, 0x01, 0x04, 0x08, 0x1f, 0x20, 0x3f, 0x7f, 0x80, 0xff];

/// The next input.
pub(crate) fn next_input(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = match random.below(4) {
        0 => {
            let len = random.below(RANDOM_BYTES);
            (0..len).map(|_| random.number() as u8).collect()
        }
        // Mostly edges: long runs of what a table of choices begins with.
        1 => {
            let len = random.below(RANDOM_BYTES);
            (0..len).map(|_| random.pick(&EDGES)).collect()
        }
        _ => corpus[random.below(corpus.len())].clone(),
    };
    for _ in 0..random.below(6) {
        change(random, &mut input, corpus);
    }
    input.truncate(MOST_BYTES);
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let len = random.below(input.len() - at + 1);
    match random.below(7) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.pick(&EDGES),
        2 => input.insert(at, random.number() as u8),
        3 => drop(input.drain(at..at + len)),
        4 => {
            let piece = input[at..at + len].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        5 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => input.truncate(at),
    }
}
