//! Content that lasts until the connection ends is whole only when that ends as it should.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::client::{number, result};
use super::raw::Raw;

/// The content may go on: the head does not say.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nthe beginning of the content";

/// Answers, and ends the connection with a FIN, or a reset.
fn in_the_clear(resets: bool) -> Raw {
    Raw::start(move |stream| {
        stream.write_all(RESPONSE)?;
        if resets {
            set_socket_linger(&*stream, Some(Duration::ZERO))?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    })
}

/// Answers one request, and ends the connection with a FIN, with close_notify before it or without.
fn over_tls(notifies: bool) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut tls = BufReader::new(StreamOwned::new(connection, stream));
        let mut line = String::from("?");
        while !line.trim().is_empty() {
            line.clear();
            tls.read_line(&mut line).unwrap();
        }
        let mut tls = tls.into_inner();
        tls.write_all(RESPONSE).unwrap();
        if notifies {
            tls.conn.send_close_notify();
        }
        tls.flush().unwrap();
        until_it_ends(&mut tls.sock)
    });
    address
}

/// Sends a FIN, and waits for the other side's: whoever closes with something unread sends a reset.
fn until_it_ends(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[test]
fn content_without_a_length_ends_with_a_fin_or_close_notify() {
    let whole = |url: &str| {
        let result = result(&[url, "-k", "--http1", "-n", "1"], 0);
        assert_eq!(result["total"]["requests"]["succeeded"], 1);
    };
    whole(&in_the_clear(false).url("/"));
    whole(&format!("https://{}/", over_tls(true)));
}

#[test]
fn content_without_a_length_is_cut_by_a_reset_or_a_bare_fin_over_tls() {
    let cut = |url: &str| {
        let result = result(&[url, "-k", "--http1", "-n", "1"], 1);
        assert_eq!(result["total"]["requests"]["failed"], 1);
        assert_eq!(result["total"]["errors"][0]["kind"], "short_body");
    };
    cut(&in_the_clear(true).url("/"));
    cut(&format!("https://{}/", over_tls(false)));
}

#[test]
fn a_connection_that_ends_in_order_is_followed_by_another() {
    let server = Raw::start(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let result = result(&[&server.url("/"), "--http1", "-c", "1", "-n", "50"], 0);
    assert_eq!(number(&result, "/total/requests/succeeded"), 50.0);
    assert_eq!(number(&result, "/connections/opened"), 50.0);
    assert_eq!(number(&result, "/connections/failed"), 0.0);
    assert_eq!(number(&result, "/connections/lost"), 0.0);
}
