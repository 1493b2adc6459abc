//! The process: shards that share the work, clients that vanish, a drain that loses nothing, rest that costs nothing.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use http::Method;
use tempfile::TempDir;

use crate::client::{BOTH, Client, Download, Limits, Scheme};
use crate::content::{Content, KIB, MIB, Rng, seed};
use crate::server::Server;

fn root_with(name: &str, content: Content) -> TempDir {
    let root = TempDir::new().unwrap();
    content.write(&root.path().join(name)).unwrap();
    root
}

#[tokio::test]
async fn two_shards_share_two_hundred_connections() {
    let content = Content::new(3, 4_000);
    let root = root_with("small.bin", content);
    let server = Server::start(root.path(), &["--shards", "2", "--report", "1"]);
    let mut held = Vec::new();
    for number in 0..200 {
        let client = Client::connect(&server, BOTH[number % 2], Limits::default())
            .await
            .unwrap();
        client.fetch("/small.bin", content).await;
        held.push(client);
    }
    // All of them still work while the others are there.
    for client in &held {
        client.fetch("/small.bin", content).await;
    }
    drop(held);
    let ended = server.drained().await;
    ended.assert_clean();
    let accepted = ended.accepted_by_shard();
    println!("accepted: {accepted:?}");
    assert_eq!(accepted.len(), 2, "the server said:\n{}", ended.text);
    // The kernel deals connections out by a hash of their ports: below 50 of 200 has odds of one in 10^12.
    assert!(accepted.iter().all(|&count| count >= 50), "{accepted:?}");
    assert!(accepted.iter().sum::<u64>() >= 200, "{accepted:?}");
}

/// Kills clients in mid-download; `RINGLANE_TEST_KILLS` sets how many (200).
#[tokio::test]
async fn killed_clients_leave_nothing_behind() {
    let kills = std::env::var("RINGLANE_TEST_KILLS")
        .map_or(200, |text| text.parse().expect("a number of kills"));
    let content = Content::new(4, 16 * MIB);
    let root = root_with("large.bin", content);
    let server = Server::start(root.path(), &["--shards", "2", "--report", "1"]);
    let limits = Limits {
        stream_window: 1 << 28,
        connection_window: 1 << 28,
        max_frame: 65_536,
    };
    // What is opened once and kept is open before the count: the file in the cache of each shard.
    for number in 0..20 {
        let client = Client::connect(&server, BOTH[number % 2], limits)
            .await
            .unwrap();
        Download::new(client.get("/large.bin").await.unwrap(), "warm-up", content)
            .until(MIB)
            .await
            .unwrap();
    }
    thread::sleep(Duration::from_secs(1));
    let before = server.descriptors();

    let mut rng = Rng::new(seed());
    let mut killed = 0;
    while killed < kills {
        let mut batch = Vec::new();
        for _ in 0..20.min(kills - killed) {
            let client = Client::connect(&server, *rng.pick(&BOTH), limits)
                .await
                .unwrap();
            let mut downloads = Vec::new();
            for _ in 0..=rng.below(3) {
                downloads.push(Download::new(
                    client.get("/large.bin").await.unwrap(),
                    "killed",
                    content,
                ));
            }
            let wanted = *rng.pick(&[0, 1, 20_000, 300_000, 2 * MIB]);
            downloads[0].until(wanted).await.unwrap();
            batch.push((client, downloads));
        }
        killed += batch.len();
        // Their sockets close with data unread, which the server sees as resets in mid-send.
        drop(batch);
        tokio::task::yield_now().await;
    }

    let until = Instant::now() + Duration::from_secs(20);
    while server.descriptors() > before && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = server.descriptors();
    assert!(
        after <= before,
        "{before} descriptors before, {after} after {killed} killed clients"
    );
    for scheme in BOTH {
        Client::connect(&server, scheme, limits)
            .await
            .unwrap()
            .fetch("/large.bin", content)
            .await;
    }
    let ended = server.drained().await;
    ended.assert_clean();
    assert_eq!(ended.leased(), Some(0), "the server said:\n{}", ended.text);
}

async fn drain(scheme: Scheme) {
    let content = Content::new(5, 24 * MIB);
    let root = root_with("large.bin", content);
    let mut server = Server::start(root.path(), &["--shards", "2", "--drain-timeout", "60"]);
    let window = 256 * KIB;
    let limits = Limits {
        stream_window: window as u32,
        ..Limits::default()
    };
    let client = Client::connect(&server, scheme, limits).await.unwrap();
    let idle = Client::connect(&server, scheme, limits).await.unwrap();
    let mut download = Download::new(
        client.get("/large.bin").await.unwrap(),
        "/large.bin",
        content,
    );
    download.until(MIB).await.unwrap();
    download.until_blocked(window).await.unwrap();

    server.terminate();
    let address = if scheme == Scheme::Clear {
        server.http
    } else {
        server.https
    };
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            // Accepted by the kernel before the listener was closed.
            Ok(_) | Err(_) => assert!(Instant::now() < until, "new connections are still accepted"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        server.is_running(),
        "the server ended with a download in flight"
    );
    download
        .finish()
        .await
        .expect("the download in flight is finished");
    // Neither client lets go of its connection: closing it is the server's part of a drain.
    let began = Instant::now();
    let ended = tokio::task::spawn_blocking(move || server.ended())
        .await
        .unwrap();
    ended.assert_clean();
    assert!(
        began.elapsed() < Duration::from_secs(50),
        "it waited for the drain's timeout with nothing in flight"
    );
    drop((client, idle));
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_in_the_clear() {
    drain(Scheme::Clear).await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_over_tls() {
    drain(Scheme::Tls).await;
}

#[tokio::test]
async fn a_drain_ends_at_its_timeout() {
    let content = Content::new(6, 24 * MIB);
    let root = root_with("large.bin", content);
    let server = Server::start(root.path(), &["--shards", "1", "--drain-timeout", "1"]);
    let client = Client::connect(&server, Scheme::Clear, Limits::default())
        .await
        .unwrap();
    let mut download = Download::new(
        client.get("/large.bin").await.unwrap(),
        "/large.bin",
        content,
    );
    download.until_blocked(MIB).await.unwrap();
    // Nothing is read any more; without the timeout this would wait for ever.
    let ended = server.drained().await;
    ended.assert_clean();
}

#[tokio::test]
async fn a_connection_at_rest_costs_no_cpu() {
    let content = Content::new(8, 4_000);
    let root = root_with("small.bin", content);
    let server = Server::start(root.path(), &["--shards", "2"]);
    let mut held = Vec::new();
    for number in 0..10 {
        let client = Client::connect(&server, BOTH[number % 2], Limits::default())
            .await
            .unwrap();
        client.exchange(Method::HEAD, "/small.bin", &[]).await;
        held.push(client);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.cpu_time();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let busy = (server.cpu_time() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    // A tick of the kernel's count is 10 ms, a third of a hundredth of three seconds.
    assert!(
        busy < 0.011,
        "{:.2} % of a core with ten connections at rest",
        busy * 100.0
    );
    drop(held);
}
