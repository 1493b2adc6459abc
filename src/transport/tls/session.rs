//! A TLS connection after its handshake.

use std::fmt;
use std::mem;

use rustls::client::ClientConnectionData;
use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{AlertDescription, ConnectionTrafficSecrets, ExtractedSecrets, SupportedCipherSuite};

use super::TlsError;
use super::keys::{Keys, Shape, content};
use super::limits::{
    HEADER_LEN, KEY_UPDATE_REFILL_BYTES, MAX_BUFFERED_RECORD_BYTES, MAX_FRUITLESS_RECORDS,
    MAX_KEY_UPDATES, MAX_RENEGOTIATIONS, MAX_SKIPPED_HELLO_BYTES, MAX_TICKET_BYTES,
};
use super::open::Opener;
use super::seal::Sealer;
use crate::slot::{Record, RecordLayout};

/// Handshake message types (RFC 8446, section 4; RFC 5246, section 7.4).
const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// A KeyUpdate that asks for none in return (RFC 8446, section 4.6.3).
const KEY_UPDATE_NOT_REQUESTED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];

/// Alert levels (RFC 8446, section 6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// What derives the next traffic secrets, and in the client's role keeps the tickets that come.
pub(super) enum Kernel {
    Server(Box<KernelConnection<ServerConnectionData>>),
    Client(Box<KernelConnection<ClientConnectionData>>),
}

impl Kernel {
    pub(super) fn suite(&self) -> SupportedCipherSuite {
        match self {
            Self::Server(kernel) => kernel.negotiated_cipher_suite(),
            Self::Client(kernel) => kernel.negotiated_cipher_suite(),
        }
    }

    fn next_tx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), TlsError> {
        match self {
            Self::Server(kernel) => kernel.update_tx_secret(),
            Self::Client(kernel) => kernel.update_tx_secret(),
        }
        .map_err(TlsError::KeyDerivation)
    }

    fn next_rx(&mut self) -> Result<(u64, ConnectionTrafficSecrets), TlsError> {
        match self {
            Self::Server(kernel) => kernel.update_rx_secret(),
            Self::Client(kernel) => kernel.update_rx_secret(),
        }
        .map_err(TlsError::KeyDerivation)
    }
}

/// A TLS connection after its handshake, in either role: seals what is sent and opens what is received.
///
/// See the [module](super) for the order of calls. After an error nothing more is received; what
/// [`take_control`](Self::take_control) yields then, the fatal alert, is the last to be sent.
pub struct Session {
    pub(super) sealer: Sealer,
    opener: Opener,
    /// The socket seals.
    pub(super) handed_over: bool,
    /// Derives the next traffic secrets (TLS 1.3 only: under 1.2 the keys are for life).
    kernel: Option<Kernel>,
    is_client: bool,
    alpn: Option<Box<[u8]>>,
    /// The beginning of a record whose end has not come; owns no memory when there is none.
    partial: Vec<u8>,
    message: Message,
    pub(super) closing: Closing,
    peer_closed: bool,
    pub(super) failed: bool,
    /// The peer asked us to update our keys.
    update_requested: bool,
    /// A renegotiation is to be refused with a warning.
    refuse_renegotiation: bool,
    fruitless_left: u32,
    key_updates_left: u32,
    renegotiations_left: u32,
    /// Application data since the last key update was earned, in bytes.
    earned: usize,
}

/// The handshake message that is being received.
#[derive(Default)]
struct Message {
    /// Type, length, and the one byte of a KeyUpdate.
    head: [u8; 5],
    /// Bytes of `head` that are known.
    known: usize,
    /// Bytes to come of a message that is passed over.
    skip: u32,
    /// What has come of a ticket.
    ticket: Vec<u8>,
}

impl Message {
    fn is_open(&self) -> bool {
        self.known != 0
    }

    /// The announced length, in bytes, once the first four bytes are known.
    fn len(&self) -> u32 {
        u32::from_be_bytes([0, self.head[1], self.head[2], self.head[3]])
    }
}

/// How far our side of the connection is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// An alert is to be sent, and nothing after it.
    Queued {
        level: u8,
        alert: AlertDescription,
    },
    Sent,
}

impl Session {
    /// Takes over from the handshake.
    ///
    /// # Errors
    /// [`TlsError::Crypto`] when a key is not what its AEAD takes.
    pub(super) fn new(
        secrets: ExtractedSecrets,
        kernel: Kernel,
        alpn: Option<Box<[u8]>>,
    ) -> Result<Self, TlsError> {
        let suite = kernel.suite();
        let shape = Shape::of(suite, &secrets.tx.1);
        let is_client = matches!(kernel, Kernel::Client(_));
        let (limit, kernel) = match suite {
            SupportedCipherSuite::Tls13(suite) => {
                (suite.common.confidentiality_limit, Some(kernel))
            }
            SupportedCipherSuite::Tls12(suite) => (suite.common.confidentiality_limit, None),
        };
        Ok(Self {
            sealer: Sealer::new(Keys::new(secrets.tx)?, shape, limit),
            opener: Opener::new(Keys::new(secrets.rx)?, shape),
            handed_over: false,
            kernel,
            is_client,
            alpn,
            partial: Vec::new(),
            message: Message::default(),
            closing: Closing::No,
            peer_closed: false,
            failed: false,
            update_requested: false,
            refuse_renegotiation: false,
            fruitless_left: MAX_FRUITLESS_RECORDS,
            key_updates_left: MAX_KEY_UPDATES,
            renegotiations_left: MAX_RENEGOTIATIONS,
            earned: 0,
        })
    }

    /// The protocol agreed on (RFC 7301), if any.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Bytes around the plaintext of a record: what a sealed slot leaves room for.
    #[must_use]
    pub fn layout(&self) -> RecordLayout {
        self.sealer.shape().layout()
    }

    /// Takes ciphertext as received, in any chunking, and gives the plaintext of each application data record to
    /// `sink`, in order, in place. A record that came whole is opened where it lies; of one that did not, the
    /// beginning is kept. `input` is overwritten.
    ///
    /// After close_notify whatever follows is ignored (RFC 8446, section 6.1).
    ///
    /// # Errors
    /// Any violation of the protocol. Data before it has gone to `sink`; the alert is queued as control.
    /// [`TlsError::Ended`] when called again after an error.
    pub fn handle_bytes(
        &mut self,
        input: &mut [u8],
        mut sink: impl FnMut(&mut [u8]),
    ) -> Result<(), TlsError> {
        if self.failed {
            return Err(TlsError::Ended);
        }
        self.receive(input, &mut sink)
            .inspect_err(|error| self.fail(error))
    }

    /// Seals the records of a slot in place: header and explicit nonce are written at `record.at`, inner type and
    /// tag behind the plaintext.
    ///
    /// # Errors
    /// [`TlsError::WriteClosed`] after the closing alert, and when the socket seals; [`TlsError::KeyExhausted`] at the AEAD's limit
    /// (RFC 8446, section 5.5), which under TLS 1.3 comes only when [`take_control`](Self::take_control) is not
    /// called. The slot must not be sent then.
    ///
    /// # Panics
    /// When a record does not lie in `buffer` with this session's [`layout`](Self::layout).
    pub fn seal(&mut self, buffer: &mut [u8], records: &[Record]) -> Result<(), TlsError> {
        if self.closing == Closing::Sent || self.handed_over {
            return Err(TlsError::WriteClosed);
        }
        let layout = self.layout();
        for record in records {
            let end = record.at + layout.prefix + record.len + layout.suffix;
            self.sealer
                .seal(&mut buffer[record.at..end], content::APPLICATION_DATA)?;
            self.earn(record.len);
        }
        Ok(())
    }

    /// Appends the sealed control records that must go out next, if any: a key update, alerts. They are sealed now,
    /// so they go on the wire before anything that is sealed later and after everything sealed before.
    pub fn take_control(&mut self, out: &mut Vec<u8>) {
        if self.closing == Closing::Sent || self.handed_over {
            return;
        }
        if self.seal_control(out).is_err() {
            // Without keys nothing can be said any more.
            self.failed = true;
            self.closing = Closing::Sent;
        }
    }

    /// Whether [`take_control`](Self::take_control) would append anything.
    #[must_use]
    pub fn has_control(&self) -> bool {
        match self.closing {
            Closing::No => self.wants_key_update() || self.refuse_renegotiation,
            Closing::Queued { .. } => true,
            Closing::Sent => false,
        }
    }

    /// Queues our close_notify as control (RFC 8446, section 6.1): to be called when the last slot has been sealed,
    /// since nothing can be sealed after it has been taken.
    pub fn close_notify(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Queued {
                level: WARNING,
                alert: AlertDescription::CloseNotify,
            };
        }
    }

    /// Whether the peer's close_notify has come: there will be no more application data.
    #[must_use]
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether the write key nears its limit and cannot be updated, under TLS 1.2 or handed over: with AES-GCM after 2^24
    /// records, some 256 GiB. The connection should be drained; in the end [`seal`](Self::seal) refuses.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        (self.kernel.is_none() || self.handed_over) && self.sealer.is_worn()
    }

    /// Frees what can be made again from the traffic secrets: to be called when the connection falls idle. Halves
    /// what it owns; the next record in each direction costs a key expansion, some 0.2 microseconds.
    pub fn release_keys(&mut self) {
        self.sealer.release_keys();
        self.opener.release_keys();
    }

    fn fail(&mut self, error: &TlsError) {
        self.failed = true;
        self.partial = Vec::new();
        // Nothing but the alert is worth saying now.
        self.update_requested = false;
        self.refuse_renegotiation = false;
        if self.closing != Closing::Sent {
            self.closing = match error.alert() {
                Some(alert) => Closing::Queued {
                    level: FATAL,
                    alert,
                },
                None => Closing::Sent,
            };
        }
    }

    fn receive(
        &mut self,
        mut input: &mut [u8],
        sink: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), TlsError> {
        if self.peer_closed {
            return Ok(());
        }
        if !self.partial.is_empty() {
            let Some(rest) = self.complete_partial(input)? else {
                return Ok(());
            };
            input = rest;
            let mut record = mem::take(&mut self.partial);
            self.handle_record(&mut record, sink)?;
        }
        while !self.peer_closed {
            let len = self.opener.record_len(input)?;
            match len {
                Some(len) if len <= input.len() => {
                    let (record, rest) = mem::take(&mut input).split_at_mut(len);
                    input = rest;
                    self.handle_record(record, sink)?;
                }
                _ => {
                    self.keep(input, len.unwrap_or(HEADER_LEN));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Completes the record in `partial`: what remains of `input`, or `None` when the record is still not whole.
    fn complete_partial<'a>(
        &mut self,
        mut input: &'a mut [u8],
    ) -> Result<Option<&'a mut [u8]>, TlsError> {
        loop {
            let known = self.opener.record_len(&self.partial)?;
            let len = known.unwrap_or(HEADER_LEN);
            let missing = (len - self.partial.len()).min(input.len());
            let (now, rest) = mem::take(&mut input).split_at_mut(missing);
            self.keep(now, len);
            input = rest;
            if self.partial.len() < len {
                return Ok(None);
            }
            if known.is_some() {
                return Ok(Some(input));
            }
        }
    }

    /// Adds to `partial`, of which `record_len` bytes are known to come. It grows as the bytes do, never to more
    /// than the record, so that a header alone costs the peer as much as us.
    fn keep(&mut self, bytes: &[u8], record_len: usize) {
        let len = self.partial.len() + bytes.len();
        if len > self.partial.capacity() {
            let capacity = len.max(2 * self.partial.capacity()).min(record_len);
            self.partial.reserve_exact(capacity - self.partial.len());
        }
        self.partial.extend_from_slice(bytes);
        debug_assert!(len <= record_len && len <= MAX_BUFFERED_RECORD_BYTES);
    }

    fn handle_record(
        &mut self,
        record: &mut [u8],
        sink: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), TlsError> {
        let (kind, text) = self.opener.open(record)?;
        if self.message.is_open() && kind != content::HANDSHAKE {
            return Err(TlsError::InterleavedHandshake);
        }
        match kind {
            content::APPLICATION_DATA if text.is_empty() => self.count_fruitless(),
            content::APPLICATION_DATA => {
                self.fruitless_left = MAX_FRUITLESS_RECORDS;
                self.earn(text.len());
                sink(text);
                Ok(())
            }
            content::ALERT | content::HANDSHAKE if text.is_empty() => {
                Err(TlsError::EmptyRecord(kind))
            }
            content::ALERT => self.handle_alert(text),
            content::HANDSHAKE if self.kernel.is_some() => self.handle_message(text),
            content::HANDSHAKE => self.handle_renegotiation(text),
            kind => Err(TlsError::RecordKind(kind)),
        }
    }

    fn handle_alert(&mut self, text: &[u8]) -> Result<(), TlsError> {
        let &[level, code] = text else {
            return Err(TlsError::AlertLength);
        };
        // RFC 8446, section 6: the level no longer means anything; all alerts but two are fatal.
        let ignored = match self.sealer.shape() {
            Shape::Tls13 => code == u8::from(AlertDescription::UserCanceled),
            Shape::Tls12Explicit | Shape::Tls12Implicit => level == WARNING,
        };
        if code == u8::from(AlertDescription::CloseNotify) {
            self.peer_closed = true;
            Ok(())
        } else if ignored {
            self.count_fruitless()
        } else {
            Err(TlsError::PeerAlert(code))
        }
    }

    /// Handshake data under TLS 1.3: KeyUpdate and, to a client, NewSessionTicket are all that may come now.
    fn handle_message(&mut self, mut text: &[u8]) -> Result<(), TlsError> {
        while let Some((&byte, rest)) = text.split_first() {
            let message = &mut self.message;
            if message.known == 4 && message.head[0] == NEW_SESSION_TICKET {
                let missing = message.len() as usize - message.ticket.len();
                let (now, rest) = text.split_at(missing.min(text.len()));
                message.ticket.extend_from_slice(now);
                text = rest;
                self.take_ticket()?;
                continue;
            }
            text = rest;
            message.head[message.known] = byte;
            message.known += 1;
            let kind = message.head[0];
            match message.known {
                1 if kind == NEW_SESSION_TICKET && self.is_client => {}
                1 if kind != KEY_UPDATE => return Err(TlsError::HandshakeKind(kind)),
                4 if kind == NEW_SESSION_TICKET => {
                    if message.len() > MAX_TICKET_BYTES {
                        return Err(TlsError::HandshakeMessageTooLong);
                    }
                    self.take_ticket()?;
                }
                4 if message.len() != 1 => return Err(TlsError::KeyUpdateLength),
                5 if byte > 1 => return Err(TlsError::KeyUpdateRequest(byte)),
                5 if !text.is_empty() => return Err(TlsError::HandshakeSpansKeys),
                5 => {
                    self.message = Message::default();
                    self.key_updates_left = self
                        .key_updates_left
                        .checked_sub(1)
                        .ok_or(TlsError::TooManyKeyUpdates)?;
                    if byte == 1 && self.handed_over {
                        return Err(TlsError::KeyUpdateInKernel);
                    }
                    self.update_requested |= byte == 1;
                    let kernel = self.kernel.as_mut().ok_or(TlsError::Crypto)?;
                    self.opener.set_keys(Keys::new(kernel.next_rx()?)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a ticket that is complete. Each counts as a record that carries nothing.
    fn take_ticket(&mut self) -> Result<(), TlsError> {
        if self.message.ticket.len() < self.message.len() as usize {
            return Ok(());
        }
        let message = mem::take(&mut self.message);
        if let Some(Kernel::Client(kernel)) = &mut self.kernel {
            kernel
                .handle_new_session_ticket(&message.ticket)
                .map_err(TlsError::Ticket)?;
        }
        self.count_fruitless()
    }

    /// Handshake data under TLS 1.2: a message that would renegotiate is passed over and refused.
    fn handle_renegotiation(&mut self, mut text: &[u8]) -> Result<(), TlsError> {
        let begins = if self.is_client {
            HELLO_REQUEST
        } else {
            CLIENT_HELLO
        };
        while let Some((&byte, rest)) = text.split_first() {
            let message = &mut self.message;
            if message.known < 4 {
                message.head[message.known] = byte;
                message.known += 1;
                text = rest;
                match message.known {
                    1 if byte != begins => return Err(TlsError::HandshakeKind(byte)),
                    4 if message.len() > MAX_SKIPPED_HELLO_BYTES => {
                        return Err(TlsError::HandshakeMessageTooLong);
                    }
                    4 => message.skip = message.len(),
                    _ => continue,
                }
            } else {
                let now = text.len().min(message.skip as usize);
                message.skip -= now as u32;
                text = &text[now..];
            }
            if message.skip == 0 {
                self.message = Message::default();
                self.renegotiations_left = self
                    .renegotiations_left
                    .checked_sub(1)
                    .ok_or(TlsError::TooManyRenegotiations)?;
                self.refuse_renegotiation = true;
            }
        }
        Ok(())
    }

    fn wants_key_update(&self) -> bool {
        let can = self.kernel.is_some() && !self.handed_over;
        can && (self.update_requested || self.sealer.is_worn())
    }

    fn seal_control(&mut self, out: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.wants_key_update()
            && let Some(kernel) = self.kernel.as_mut()
        {
            // However often the peer asked meanwhile, one answer is enough (RFC 8446, section 4.6.3).
            self.update_requested = false;
            self.sealer
                .append(content::HANDSHAKE, &KEY_UPDATE_NOT_REQUESTED, out)?;
            self.sealer.set_keys(Keys::new(kernel.next_tx()?)?);
        }
        if mem::take(&mut self.refuse_renegotiation) {
            let alert = [WARNING, AlertDescription::NoRenegotiation.into()];
            self.sealer.append(content::ALERT, &alert, out)?;
        }
        if let Closing::Queued { level, alert } = self.closing {
            self.sealer
                .append(content::ALERT, &[level, alert.into()], out)?;
            self.closing = Closing::Sent;
        }
        Ok(())
    }

    fn count_fruitless(&mut self) -> Result<(), TlsError> {
        self.fruitless_left = self
            .fruitless_left
            .checked_sub(1)
            .ok_or(TlsError::TooManyFruitlessRecords)?;
        Ok(())
    }

    /// Application data, received or sent, earns the peer key updates.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.earned += bytes;
        if self.earned >= KEY_UPDATE_REFILL_BYTES {
            let more = (self.earned / KEY_UPDATE_REFILL_BYTES) as u32;
            self.earned %= KEY_UPDATE_REFILL_BYTES;
            self.key_updates_left = (self.key_updates_left + more).min(MAX_KEY_UPDATES);
        }
    }

    /// Lets the write key wear out early.
    #[cfg(test)]
    pub(super) fn set_confidentiality_limit(&mut self, records: u64) {
        self.sealer.set_limit(records);
    }

    /// Bytes of heap that received bytes are kept in.
    #[cfg(test)]
    pub(super) fn kept_capacity(&self) -> usize {
        self.partial.capacity()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the keys.
        f.debug_struct("Session")
            .field("shape", &self.sealer.shape())
            .field("alpn", &self.alpn)
            .field("kept", &self.partial.len())
            .field("peer_closed", &self.peer_closed)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
