//! A client over the `h2` crate, in the clear or over TLS.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use http::{Method, Request, Response, StatusCode, Uri};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::content::{Content, MIB};
use crate::server::Server;
use crate::trust::tls_config;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Clear,
    Tls,
}

pub(crate) const BOTH: [Scheme; 2] = [Scheme::Clear, Scheme::Tls];

/// How much the client takes: its windows and its frame limit, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) stream_window: u32,
    pub(crate) connection_window: u32,
    pub(crate) max_frame: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stream_window: MIB as u32,
            connection_window: 16 * MIB as u32,
            max_frame: 16_384,
        }
    }
}

/// One connection. Its task is aborted, and so its socket closed at once, when this is dropped.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    base: String,
    task: JoinHandle<Result<(), h2::Error>>,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A field's value as text; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    pub(crate) async fn connect(
        server: &Server,
        scheme: Scheme,
        limits: Limits,
    ) -> io::Result<Self> {
        match scheme {
            Scheme::Clear => {
                let socket = TcpStream::connect(server.http).await?;
                socket.set_nodelay(true)?;
                Self::over(socket, format!("http://{}", server.http), limits).await
            }
            Scheme::Tls => {
                let socket = TcpStream::connect(server.https).await?;
                socket.set_nodelay(true)?;
                let name = ServerName::try_from("localhost").unwrap();
                let tls =
                    TlsConnector::from(tls_config(&server.certificate(), rustls::DEFAULT_VERSIONS))
                        .connect(name, socket)
                        .await?;
                assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
                Self::over(tls, format!("https://{}", server.https), limits).await
            }
        }
    }

    async fn over<T>(socket: T, base: String, limits: Limits) -> io::Result<Self>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = Builder::new()
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_frame_size(limits.max_frame)
            .enable_push(false)
            .handshake::<_, Bytes>(socket)
            .await
            .map_err(io::Error::other)?;
        Ok(Self {
            send,
            base,
            task: tokio::spawn(connection),
        })
    }

    /// Asks for files of another host from now on, over the same connection.
    pub(crate) fn ask_for(&mut self, authority: &str) {
        let (scheme, _) = self.base.split_once("://").unwrap();
        self.base = format!("{scheme}://{authority}");
    }

    /// Sends a request without a body and returns the head of its answer.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Response<RecvStream>, h2::Error> {
        let uri: Uri = format!("{}{path}", self.base).parse().unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut send = self.send.clone().ready().await?;
        let (answer, _) = send.send_request(request.body(()).unwrap(), true)?;
        answer.await
    }

    /// Asks for `path` and expects 200.
    pub(crate) async fn get(&self, path: &str) -> Result<RecvStream, h2::Error> {
        let answer = self.request(Method::GET, path, &[]).await?;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        Ok(answer.into_body())
    }

    /// A whole exchange, for small bodies.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let (head, mut stream) = self
            .request(method, path, fields)
            .await
            .expect(path)
            .into_parts();
        let mut body = Vec::new();
        while let Some(piece) = stream.data().await {
            let piece = piece.expect(path);
            stream.flow_control().release_capacity(piece.len()).unwrap();
            body.extend_from_slice(&piece);
        }
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// Downloads `path`, compares every byte and the length, and panics when any is wrong.
    pub(crate) async fn fetch(&self, path: &str, content: Content) {
        let mut download = Download::new(self.get(path).await.expect(path), path, content);
        download
            .finish()
            .await
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// No peer that may send is silent for so long.
const QUIET: Duration = Duration::from_millis(500);

/// A body on its way: every piece is compared as it comes.
pub(crate) struct Download {
    stream: RecvStream,
    name: String,
    content: Content,
    received: usize,
    unreleased: usize,
}

impl Download {
    pub(crate) fn new(stream: RecvStream, name: &str, content: Content) -> Self {
        Self {
            stream,
            name: name.to_owned(),
            content,
            received: 0,
            unreleased: 0,
        }
    }

    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// The next piece, compared but not yet given back to the window. False at the end of the body.
    async fn piece(&mut self) -> Result<bool, h2::Error> {
        let Some(piece) = self.stream.data().await else {
            return Ok(false);
        };
        let piece = piece?;
        self.content.assert_right(&self.name, self.received, &piece);
        self.received += piece.len();
        self.unreleased += piece.len();
        Ok(true)
    }

    fn release(&mut self) -> Result<(), h2::Error> {
        let count = std::mem::take(&mut self.unreleased);
        self.stream.flow_control().release_capacity(count)
    }

    /// Reads on until at least `count` bytes came in all.
    pub(crate) async fn until(&mut self, count: usize) -> Result<(), h2::Error> {
        while self.received < count && self.piece().await? {
            self.release()?;
        }
        Ok(())
    }

    /// Reads until the peer has used up the stream window, so that it can send no more. The library may keep back credit
    /// that was released, so that less than `window` comes: then nothing comes for a while.
    pub(crate) async fn until_blocked(&mut self, window: usize) -> Result<(), h2::Error> {
        while self.unreleased < window {
            match tokio::time::timeout(QUIET, self.piece()).await {
                Ok(more) => {
                    if !more? {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Reads the rest, and panics when the body ends early without an error.
    pub(crate) async fn finish(&mut self) -> Result<(), h2::Error> {
        self.release()?;
        while self.piece().await? {
            self.release()?;
        }
        assert_eq!(
            self.received,
            self.content.len(),
            "{}: ended early, and as if it were whole",
            self.name
        );
        Ok(())
    }
}

/// Whether an error is the peer's RST_STREAM(INTERNAL_ERROR).
pub(crate) fn is_internal_reset(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(Reason::INTERNAL_ERROR)
}
