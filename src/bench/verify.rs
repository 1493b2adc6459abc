//! Whether a body is what it should be.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use super::options::OptionsError;
use super::result::MismatchKind;

/// Bytes of the file that are compared at once.
const COMPARED_BYTES: usize = 64 << 10;

/// How the bodies of a target are checked.
#[derive(Clone, Debug, Default)]
pub enum Check {
    /// Not at all: they are counted.
    #[default]
    None,
    /// Against a SHA-256.
    Sha256([u8; 32]),
    /// Against a file, byte for byte.
    File(Arc<Expected>),
}

impl Check {
    /// Its name in results.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sha256(_) => "sha256",
            Self::File(_) => "expect",
        }
    }

    /// Begins with a body that stands at `offset` of its file.
    pub(super) fn begin(&self, offset: u64, len: Option<u64>) -> Option<Box<Verifier>> {
        let state = match self {
            Self::None => return None,
            Self::Sha256(expected) => State::Hash {
                context: Context::new(&SHA256),
                expected: *expected,
            },
            Self::File(expected) => State::Compare {
                expected: Arc::clone(expected),
                offset,
                len: len.unwrap_or(expected.len.saturating_sub(offset)),
            },
        };
        Some(Box::new(Verifier {
            state,
            received: 0,
            wrong: None,
        }))
    }
}

/// What a body is compared with.
#[derive(Debug)]
pub struct Expected {
    file: File,
    len: u64,
}

impl Expected {
    /// Opens a file, which had better not change from now on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, OptionsError> {
        let failed = |error| OptionsError::file(path, &error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(OptionsError::NoFile(path.to_owned()));
        }
        Ok(Self {
            len: metadata.len(),
            file,
        })
    }
}

/// Reads 64 hexadecimal digits.
///
/// # Errors
/// When it is something else.
pub fn parse_sha256(text: &str) -> Result<[u8; 32], OptionsError> {
    let mut hash = [0; 32];
    let digits = text.as_bytes();
    let valid = digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit);
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    if valid {
        Ok(hash)
    } else {
        Err(OptionsError::Sha256(text.to_owned()))
    }
}

/// Checks one body while it comes.
#[derive(Debug)]
pub(super) struct Verifier {
    state: State,
    received: u64,
    wrong: Option<MismatchKind>,
}

enum State {
    Hash {
        context: Context,
        expected: [u8; 32],
    },
    Compare {
        expected: Arc<Expected>,
        offset: u64,
        len: u64,
    },
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hash { .. } => "Hash",
            Self::Compare { .. } => "Compare",
        })
    }
}

impl Verifier {
    /// Takes the next bytes of the body.
    pub(super) fn take(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Hash { context, .. } => context.update(data),
            State::Compare {
                expected,
                offset,
                len,
            } => {
                let at = *offset + self.received;
                let left = len.saturating_sub(self.received);
                let within = &data[..data.len().min(left.try_into().unwrap_or(usize::MAX))];
                if self.wrong.is_none() {
                    self.wrong = compare(&expected.file, at, within);
                }
            }
        }
        self.received += data.len() as u64;
    }

    /// Whether a byte is known to be wrong; with a hash none is before the end.
    pub(super) fn is_wrong(&self) -> bool {
        self.wrong.is_some()
    }

    /// The byte that is known to be wrong.
    pub(super) fn take_wrong(&mut self) -> Option<MismatchKind> {
        self.wrong.take()
    }

    /// The body is whole: what is wrong with it, if anything is.
    pub(super) fn end(self) -> Option<MismatchKind> {
        let received = self.received;
        match self.state {
            State::Hash { context, expected } => {
                let digest = context.finish();
                let differs = digest.as_ref() != expected;
                differs.then(|| MismatchKind::Hash {
                    expected: hex(&expected),
                    received: hex(digest.as_ref()),
                })
            }
            State::Compare { len, .. } => self.wrong.or_else(|| {
                let differs = received != len;
                differs.then_some(MismatchKind::Length {
                    expected: len,
                    received,
                })
            }),
        }
    }
}

/// The first byte of `data` that is not what stands at `offset` of `file`.
fn compare(file: &File, offset: u64, data: &[u8]) -> Option<MismatchKind> {
    let mut buffer = [0; COMPARED_BYTES];
    let mut at = offset;
    for part in data.chunks(COMPARED_BYTES) {
        let expected = &mut buffer[..part.len()];
        // A file that has shrunk since has no bytes there: all that come are wrong.
        if file.read_exact_at(expected, at).is_err() {
            expected.iter_mut().zip(part).for_each(|(e, p)| *e = !p);
        }
        if expected != part {
            let pairs = expected.iter().zip(part).enumerate();
            for (index, (&expected, &received)) in pairs {
                if expected != received {
                    return Some(MismatchKind::Byte {
                        offset: at + index as u64,
                        expected,
                        received,
                    });
                }
            }
        }
        at += part.len() as u64;
    }
    None
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn expected(content: &[u8]) -> Check {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Check::File(Arc::new(Expected::open(file.path()).unwrap()))
    }

    fn verdict(
        check: &Check,
        offset: u64,
        len: Option<u64>,
        body: &[u8],
        piece: usize,
    ) -> Option<MismatchKind> {
        let mut verifier = check.begin(offset, len).unwrap();
        body.chunks(piece).for_each(|part| verifier.take(part));
        verifier.end()
    }

    #[test]
    fn every_wrong_byte_is_found() {
        let content: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let check = expected(&content);
        for piece in [1_000, 65_536, 65_537, 200_000] {
            assert_eq!(verdict(&check, 0, None, &content, piece), None);
            for wrong in [0, 1, 65_535, 65_536, 100_000, 199_999] {
                let mut body = content.clone();
                body[wrong] ^= 0x10;
                let found = MismatchKind::Byte {
                    offset: wrong as u64,
                    expected: content[wrong],
                    received: content[wrong] ^ 0x10,
                };
                assert_eq!(verdict(&check, 0, None, &body, piece), Some(found));
            }
        }
    }

    #[test]
    fn ranges_are_compared_with_their_part_and_lengths_count() {
        let check = expected(b"0123456789");
        assert_eq!(verdict(&check, 3, Some(4), b"3456", 3), None);
        assert_eq!(verdict(&check, 3, None, b"3456789", 2), None);
        let length = |expected, received| Some(MismatchKind::Length { expected, received });
        assert_eq!(verdict(&check, 0, None, b"01234", 9), length(10, 5));
        assert_eq!(
            verdict(&check, 0, None, b"0123456789more", 4),
            length(10, 14)
        );
        assert_eq!(verdict(&check, 3, Some(4), b"34567", 9), length(4, 5));
        let wrong = MismatchKind::Byte {
            offset: 4,
            expected: b'4',
            received: b'x',
        };
        assert_eq!(verdict(&check, 3, Some(4), b"3x56", 1), Some(wrong));
    }

    #[test]
    fn hashes_are_compared() {
        // FIPS 180-4's example for "abc".
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let check = Check::Sha256(parse_sha256(hash).unwrap());
        assert_eq!(verdict(&check, 0, None, b"abc", 1), None);
        let Some(MismatchKind::Hash { expected, received }) = verdict(&check, 0, None, b"abd", 3)
        else {
            panic!("it differs");
        };
        assert!(expected == hash && received.len() == 64 && received != hash);
        for wrong in ["", "abc", &hash[1..], &format!("{hash}0"), &"g".repeat(64)] {
            assert!(parse_sha256(wrong).is_err());
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let error = Expected::open(Path::new("/nowhere/at-all")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at-all"));
        assert!(Expected::open(Path::new("/")).is_err());
    }
}
