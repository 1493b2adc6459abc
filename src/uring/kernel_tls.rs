//! Kernel TLS: the socket seals what it is given to send (Documentation/networking/tls.rst).

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::socket::set_option;

/// `TLS_TX`, `TLS_1_3_VERSION` and `TLS_CIPHER_*` (linux/tls.h).
const TLS_TX: libc::c_int = 1;
const TLS_1_3_VERSION: u16 = 0x0304;
const CIPHER_AES_GCM_128: u16 = 51;
const CIPHER_AES_GCM_256: u16 = 52;
const CIPHER_CHACHA20_POLY1305: u16 = 54;

/// Bytes of the IV in front that the kernel calls salt, with AES-GCM.
const GCM_SALT_BYTES: usize = 4;

/// Version, cipher, and at most an IV of 12, a key of 32 and a record number of 8 bytes.
const MAX_BYTES: usize = 4 + 12 + 32 + 8;

/// What a socket seals TLS 1.3 records with.
pub struct TlsKeys<'a> {
    /// The cipher and its key.
    pub key: TlsKey<'a>,
    /// The IV that is combined with record numbers (RFC 8446, section 5.3).
    pub iv: [u8; 12],
    /// Number of the next record.
    pub sequence: u64,
}

/// A cipher with its key.
#[derive(Clone, Copy)]
pub enum TlsKey<'a> {
    /// AES-128-GCM, 16 bytes; AES-256-GCM, 32 bytes.
    AesGcm(&'a [u8]),
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305(&'a [u8; 32]),
}

impl TlsKeys<'_> {
    /// `struct tls12_crypto_info_*` (linux/tls.h): version and cipher, then IV, key, salt and record number, without gaps.
    /// `None` when there is no such cipher.
    fn crypto_info(&self) -> Option<([u8; MAX_BYTES], usize)> {
        let (cipher, key, salt) = match self.key {
            TlsKey::AesGcm(key) if key.len() == 16 => (CIPHER_AES_GCM_128, key, GCM_SALT_BYTES),
            TlsKey::AesGcm(key) if key.len() == 32 => (CIPHER_AES_GCM_256, key, GCM_SALT_BYTES),
            TlsKey::AesGcm(_) => return None,
            TlsKey::ChaCha20Poly1305(key) => (CIPHER_CHACHA20_POLY1305, &key[..], 0),
        };
        let parts = [
            &TLS_1_3_VERSION.to_ne_bytes()[..],
            &cipher.to_ne_bytes(),
            &self.iv[salt..],
            key,
            &self.iv[..salt],
            &self.sequence.to_be_bytes(),
        ];
        let (mut info, mut len) = ([0; MAX_BYTES], 0);
        for part in parts {
            info[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Some((info, len))
    }
}

/// See [`Ring::seal_in_kernel`](super::Ring::seal_in_kernel).
pub(super) fn seal_in_kernel(socket: BorrowedFd<'_>, keys: &TlsKeys<'_>) -> Result<(), Errno> {
    let (info, len) = keys.crypto_info().ok_or(Errno::INVAL)?;
    match set_option(socket, libc::IPPROTO_TCP, libc::TCP_ULP, b"tls") {
        // It has it already.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    match set_option(socket, libc::SOL_TLS, TLS_TX, &info[..len]) {
        // The cipher's module; what is left goes through unsealed.
        Err(Errno::NOENT) => Err(Errno::OPNOTSUPP),
        done => done,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    const IV: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn info(key: TlsKey<'_>) -> Vec<u8> {
        let keys = TlsKeys {
            key,
            iv: IV,
            sequence: 0x0102_0304_0506_0708,
        };
        let (info, len) = keys.crypto_info().unwrap();
        info[..len].to_vec()
    }

    /// The layouts of linux/tls.h.
    #[test]
    fn keys_are_laid_out_as_the_kernel_wants_them() {
        let head = |cipher: u16| [0x0304_u16.to_ne_bytes(), cipher.to_ne_bytes()].concat();
        let number = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(
            info(TlsKey::AesGcm(&[7; 16])),
            [&head(51)[..], &IV[4..], &[7; 16], &IV[..4], &number].concat()
        );
        assert_eq!(
            info(TlsKey::AesGcm(&[7; 32])),
            [&head(52)[..], &IV[4..], &[7; 32], &IV[..4], &number].concat()
        );
        assert_eq!(
            info(TlsKey::ChaCha20Poly1305(&[7; 32])),
            [&head(54)[..], &IV, &[7; 32], &number].concat()
        );
        let keys = TlsKeys {
            key: TlsKey::AesGcm(&[7; 24]),
            iv: IV,
            sequence: 0,
        };
        assert!(keys.crypto_info().is_none());
    }

    #[test]
    fn a_kernel_that_cannot_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let keys = TlsKeys {
            key: TlsKey::AesGcm(&[7; 16]),
            iv: IV,
            sequence: 0,
        };
        let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(seal_in_kernel(unix.as_fd(), &keys).is_err());
        // Where the kernel has it, the second set of keys is one too many, before Linux 6.14.
        match seal_in_kernel(socket.as_fd(), &keys) {
            Ok(()) => assert!(matches!(
                seal_in_kernel(socket.as_fd(), &keys),
                Ok(()) | Err(Errno::BUSY)
            )),
            Err(errno) => assert_eq!(errno, Errno::NOENT),
        }
    }
}
