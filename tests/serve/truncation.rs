//! A file that shrinks while it is being sent: that stream is reset with INTERNAL_ERROR, every byte that came before is
//! right, and nothing else on the connection or in the process is touched.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::{Client, Download, Limits, Scheme, is_internal_reset};
use crate::content::{Content, KIB, MIB};
use crate::server::Server;

const WHOLE: usize = 64 * MIB;
const WINDOW: usize = 256 * KIB;

fn truncate(path: &Path, len: usize) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(len as u64)
        .unwrap();
}

/// Truncates while the server waits for the stream's window, which makes the moment the same in every run.
async fn truncated_between_windows(scheme: Scheme) {
    let root = TempDir::new().unwrap();
    let other = Content::new(7, 12 * MIB);
    other.write(&root.path().join("other.bin")).unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    // Below what came already, above it, at no page's end, right behind what came, and to nothing.
    for (number, left) in [MIB, 32 * MIB, 24 * MIB + 1_234, 5 * MIB + 100, 0]
        .into_iter()
        .enumerate()
    {
        let name = format!("/shrinks-{number}.bin");
        let path = root.path().join(&name[1..]);
        let content = Content::new(number as u64, WHOLE);
        content.write(&path).unwrap();

        let limits = Limits {
            stream_window: WINDOW as u32,
            ..Limits::default()
        };
        let client = Client::connect(&server, scheme, limits).await.unwrap();
        let mut shrinking = Download::new(client.get(&name).await.unwrap(), &name, content);
        let mut whole = Download::new(client.get("/other.bin").await.unwrap(), "/other.bin", other);
        whole.until(MIB).await.unwrap();
        shrinking.until(4 * MIB).await.unwrap();
        shrinking.until_blocked(WINDOW).await.unwrap();
        truncate(&path, left);

        let (first, second) = tokio::join!(shrinking.finish(), whole.finish());
        let error = first.expect_err("a truncated file cannot arrive whole");
        assert!(
            is_internal_reset(&error),
            "{name}, cut to {left}: {error:?}"
        );
        assert!(shrinking.received() < WHOLE);
        second.unwrap_or_else(|error| panic!("the other stream: {error}"));
        client.fetch("/other.bin", other).await;
    }
    server.drained().await.assert_clean();
}

#[tokio::test]
async fn a_truncated_file_resets_its_stream_alone_in_the_clear() {
    truncated_between_windows(Scheme::Clear).await;
}

#[tokio::test]
async fn a_truncated_file_resets_its_stream_alone_over_tls() {
    truncated_between_windows(Scheme::Tls).await;
}

/// Truncates while a send is under way and the socket is full: the frame that is being sent may be cut in the middle,
/// so the server may give up the connection; it may not send a wrong byte, hang, or hurt another connection.
async fn truncated_in_mid_send(scheme: Scheme) {
    let root = TempDir::new().unwrap();
    let other = Content::new(9, 3 * MIB);
    other.write(&root.path().join("other.bin")).unwrap();
    let mut server = Server::start(root.path(), &["--shards", "1"]);
    let bystander = Client::connect(&server, scheme, Limits::default())
        .await
        .unwrap();
    for number in 0..4_u64 {
        let name = format!("/shrinks-{number}.bin");
        let path = root.path().join(&name[1..]);
        let content = Content::new(number, WHOLE);
        content.write(&path).unwrap();

        let limits = Limits {
            stream_window: 1 << 30,
            connection_window: 1 << 30,
            max_frame: 1 << 20,
        };
        let client = Client::connect(&server, scheme, limits).await.unwrap();
        let mut shrinking = Download::new(client.get(&name).await.unwrap(), &name, content);
        // This blocks the only thread of the runtime on purpose: nobody reads, and the socket fills.
        std::thread::sleep(Duration::from_millis(300));
        truncate(&path, MIB * number as usize);
        std::thread::sleep(Duration::from_millis(100));
        shrinking
            .finish()
            .await
            .expect_err("a truncated file cannot arrive whole");
        assert!(shrinking.received() < WHOLE);
        bystander.fetch("/other.bin", other).await;
        assert!(server.is_running());
    }
    server.drained().await.assert_clean();
}

#[tokio::test]
async fn a_file_truncated_in_mid_send_harms_no_other_connection_in_the_clear() {
    truncated_in_mid_send(Scheme::Clear).await;
}

#[tokio::test]
async fn a_file_truncated_in_mid_send_harms_no_other_connection_over_tls() {
    truncated_in_mid_send(Scheme::Tls).await;
}
