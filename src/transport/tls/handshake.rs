//! The handshake: rustls's, fed one record at a time, so that not a byte behind it is lost.

use std::fmt;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::{Acceptor, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{
    ClientConfig, CommonState, ExtractedSecrets, HandshakeKind, ServerConfig, SupportedCipherSuite,
};

use super::keys::content;
use super::limits::{
    HEADER_LEN, MAX_EXPANSION_TLS12, MAX_FLIGHT_RECORDS, MAX_HANDSHAKE_BYTES, MAX_HELLO_RECORDS,
    TAG_LEN,
};
use super::session::Kernel;
use super::{Session, TlsError};
use crate::slot::MAX_RECORD_PLAINTEXT;

/// What became of the bytes given to a handshake.
#[derive(Debug)]
pub enum Progress {
    /// The handshake goes on.
    More,
    /// The handshake is over.
    Done {
        /// What carries the data from here on.
        session: Box<Session>,
        /// Bytes behind the peer's Finished, as received: to be given to [`Session::handle_bytes`] before
        /// anything else. Often empty.
        rest: Vec<u8>,
        /// What was agreed on.
        agreed: Agreed,
    },
}

/// What a handshake has come to, for those who count.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// Cipher suite, which tells the version too.
    pub suite: SupportedCipherSuite,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// What the client called the server (RFC 6066, section 3), if anything; known to the server's side.
    pub server_name: Option<Box<str>>,
}

/// rustls's side of a handshake, in either role.
enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl Side {
    /// Has rustls look at `incoming` and acts on what it wants: what to do next, and bytes at the front that it has
    /// done with.
    fn step(&mut self, incoming: &mut [u8], out: &mut Vec<u8>) -> (Step, usize) {
        match self {
            Self::Server(side) => act(side.process_tls_records(incoming), out),
            Self::Client(side) => act(side.process_tls_records(incoming), out),
        }
    }

    fn common(&self) -> &CommonState {
        match self {
            Self::Server(side) => side,
            Self::Client(side) => side,
        }
    }

    /// Hands the traffic keys over, with what derives the next ones.
    fn into_secrets(self) -> Result<(ExtractedSecrets, Kernel), TlsError> {
        match self {
            Self::Server(side) => side
                .dangerous_into_kernel_connection()
                .map(|(secrets, kernel)| (secrets, Kernel::Server(Box::new(kernel)))),
            Self::Client(side) => side
                .dangerous_into_kernel_connection()
                .map(|(secrets, kernel)| (secrets, Kernel::Client(Box::new(kernel)))),
        }
        .map_err(TlsError::Handshake)
    }
}

/// A connection until its traffic keys are known, in either role.
pub struct Handshake {
    /// `None` when the handshake is over, well or badly.
    connection: Option<Box<Side>>,
    /// What rustls still needs to see, or to see again, and what lies behind it.
    incoming: Vec<u8>,
    /// Bytes at the front of `incoming` that rustls has been shown: whole records.
    pub(super) shown: usize,
    /// Bytes shown so far.
    total: usize,
    /// Records that may still be shown before we have something to say.
    records_left: u32,
    /// Reads the client's hello beside rustls's connection, which does not tell what was in it.
    hello: Option<Acceptor>,
    server_name: Option<Box<str>>,
}

/// What to do after one step of rustls.
enum Step {
    Again,
    NextRecord,
    Done,
    Failed(TlsError),
}

impl Handshake {
    /// Begins a handshake as the server; `config` is from [`server_config`](super::server_config).
    ///
    /// # Errors
    /// [`TlsError::Handshake`] when rustls finds the configuration wanting.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let side = UnbufferedServerConnection::new(config).map_err(TlsError::Handshake)?;
        Ok(Self::of(Side::Server(side)))
    }

    /// Begins a handshake as the client of `name`; `config` is from [`client_config`](super::client_config). The
    /// client speaks first: [`Handshake::handle_bytes`] without input yields its hello.
    ///
    /// # Errors
    /// [`TlsError::Handshake`] when rustls finds the configuration wanting.
    pub fn connect(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        let side = UnbufferedClientConnection::new(config, name).map_err(TlsError::Handshake)?;
        Ok(Self::of(Side::Client(side)))
    }

    /// Has [`Agreed::server_name`] told: to be called before any bytes are.
    pub fn note_server_name(&mut self) {
        self.hello = Some(Acceptor::default());
    }

    /// Whether anything of the peer's has come.
    pub fn has_begun(&self) -> bool {
        self.total > 0 || !self.incoming.is_empty()
    }

    /// Reads on in the client's hello until it is whole. What is wrong with it is rustls's connection to say.
    fn read_hello(&mut self, mut input: &[u8]) {
        let Some(hello) = &mut self.hello else {
            return;
        };
        while !input.is_empty() && hello.read_tls(&mut input).is_ok_and(|n| n > 0) {}
        match hello.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                self.server_name = accepted.client_hello().server_name().map(Box::from);
                self.hello = None;
            }
            Err(_) => self.hello = None,
        }
    }

    fn of(side: Side) -> Self {
        Self {
            connection: Some(Box::new(side)),
            incoming: Vec::new(),
            shown: 0,
            total: 0,
            records_left: MAX_HELLO_RECORDS,
            hello: None,
            server_name: None,
        }
    }

    /// Takes what the peer sent, in any chunking, and appends to `out` what must be sent back. `out` counts
    /// whatever the result: with [`Progress::Done`] it may hold the last flight, with an error the alert to send
    /// before closing.
    ///
    /// # Errors
    /// [`TlsError::Handshake`], [`TlsError::HandshakeTooLong`], [`TlsError::ClosedInHandshake`],
    /// [`TlsError::DataInHandshake`]; [`TlsError::Ended`] when called after the end.
    pub fn handle_bytes(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, TlsError> {
        let mut connection = self.connection.take().ok_or(TlsError::Ended)?;
        self.read_hello(input);
        self.incoming.extend_from_slice(input);
        loop {
            match self.step(&mut connection, out) {
                Step::Again => {
                    // Until keys are agreed on, what we said may have asked for another hello.
                    let agreed = connection.common().negotiated_key_exchange_group();
                    self.records_left = match agreed {
                        Some(_) => MAX_FLIGHT_RECORDS,
                        None => MAX_HELLO_RECORDS,
                    };
                }
                Step::NextRecord if self.show_next_record()? => {}
                Step::NextRecord => {
                    if self.incoming.is_empty() {
                        self.incoming = Vec::new();
                    }
                    self.connection = Some(connection);
                    return Ok(Progress::More);
                }
                Step::Done => {
                    if self.shown != 0 {
                        return Err(TlsError::DataInHandshake);
                    }
                    let common = connection.common();
                    let alpn = common.alpn_protocol().map(Box::from);
                    let resumed = common.handshake_kind() == Some(HandshakeKind::Resumed);
                    let server_name = self.server_name.take();
                    let (secrets, kernel) = connection.into_secrets()?;
                    let suite = kernel.suite();
                    let session = Box::new(Session::new(secrets, kernel, alpn)?);
                    let rest = std::mem::take(&mut self.incoming);
                    return Ok(Progress::Done {
                        session,
                        rest,
                        agreed: Agreed {
                            suite,
                            resumed,
                            server_name,
                        },
                    });
                }
                Step::Failed(error) => {
                    // Only the alert is left to be said, and it is said before more is read.
                    while connection.common().wants_write() {
                        if !matches!(self.step(&mut connection, out), Step::Again) {
                            break;
                        }
                    }
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self, connection: &mut Side, out: &mut Vec<u8>) -> Step {
        let (step, discard) = connection.step(&mut self.incoming[..self.shown], out);
        self.incoming.drain(..discard);
        self.shown -= discard;
        step
    }

    /// Takes away a record that rustls has skipped (early data, refused: RFC 8446, section 4.2.10), of which it says nothing:
    /// it would open it again, and count it again, with each record that follows.
    fn drop_skipped(&mut self) {
        if is_unopened(&self.incoming[..self.shown]) {
            self.incoming.drain(..self.shown);
            self.shown = 0;
        }
    }

    /// Lets rustls, which has done with or keeps what it has seen, see one record more; `false` when there is no whole one.
    fn show_next_record(&mut self) -> Result<bool, TlsError> {
        self.drop_skipped();
        let hidden = &self.incoming[self.shown..];
        let Some(&[kind, major, _, high, low]) = hidden.first_chunk::<HEADER_LEN>() else {
            return Ok(false);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let is_record = (content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind)
            && major == 3
            && length < MAX_RECORD_PLAINTEXT + MAX_EXPANSION_TLS12;
        let len = if is_record {
            HEADER_LEN + length
        } else {
            // rustls knows the alert for it.
            hidden.len()
        };
        if hidden.len() < len {
            return Ok(false);
        }
        self.shown += len;
        self.total += len;
        if self.total > MAX_HANDSHAKE_BYTES || self.records_left == 0 {
            return Err(TlsError::HandshakeTooLong);
        }
        self.records_left -= 1;
        Ok(true)
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("over", &self.connection.is_none())
            .field("incoming", &self.incoming.len())
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// Whether what rustls keeps is a protected record that it could not open. An AEAD leaves zeros of what fails to open
/// (`EVP_AEAD_CTX_open`, aead.h), and in what was opened there is a content type, which is none. A plaintext fragment of a
/// handshake message is kept too, and is all that is of its type, but for what no sound peer sends.
fn is_unopened(kept: &[u8]) -> bool {
    let Some((&[kind, ..], body)) = kept.split_first_chunk::<HEADER_LEN>() else {
        return false;
    };
    let sealed = &body[..body.len().saturating_sub(TAG_LEN)];
    kind != content::HANDSHAKE && sealed.iter().all(|&byte| byte == 0)
}

/// Acts on what rustls wants: what to do next, and bytes that it has done with.
fn act<Data>(status: UnbufferedStatus<'_, '_, Data>, out: &mut Vec<u8>) -> (Step, usize) {
    let step = match status.state {
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, out);
            Step::Again
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Step::Again
        }
        Ok(ConnectionState::BlockedHandshake) => Step::NextRecord,
        Ok(ConnectionState::WriteTraffic(_)) => Step::Done,
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
            Step::Failed(TlsError::ClosedInHandshake)
        }
        Ok(_) => Step::Failed(TlsError::DataInHandshake),
        Err(error) => Step::Failed(TlsError::Handshake(error)),
    };
    (step, status.discard)
}

/// Appends what rustls has to say: it tells the size when offered no room.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) =
        data.encode(&mut [])
    {
        out.resize(start + required_size, 0);
        let written = data.encode(&mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
    }
}
