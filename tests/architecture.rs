//! The rules of the layout, held by reading the sources: what may be named where.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `folder` of `src`, with its text up to its tests.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                walk(&path, found);
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\n#[allow").next().unwrap();
                let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
                found.push((path, code.to_owned()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(folder);
    let mut found = Vec::new();
    walk(&root, &mut found);
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// Lines of code (no comments) in `folder` that name one of `words`, as `file: line`.
fn named(folder: &str, words: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, text) in sources(folder) {
        let file = path
            .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")))
            .unwrap()
            .display()
            .to_string();
        for line in text.lines().map(str::trim) {
            if !line.starts_with("//") && words.iter().any(|word| line.contains(word)) {
                lines.push(format!("{file}: {line}"));
            }
        }
    }
    lines
}

#[test]
fn the_data_path_shares_nothing() {
    // What a shard is given at its start, and its one flag for orders: read on the way in, never on the way of data.
    let exceptions = [
        "src/shard/mod.rs: use std::sync::Arc;",
        "src/shard/mod.rs: pub tls: Option<Arc<rustls::ServerConfig>>,",
        "src/shard/mod.rs: control: Arc<Control>,",
        "src/shard/mod.rs: pub roots: Arc<Roots>,",
        "src/shard/roots.rs: given: Arc<Roots>,",
        "src/shard/roots.rs: taken: Arc<Vec<OwnedFd>>,",
        "src/shard/roots.rs: pub(super) fn given(&mut self) -> Arc<Vec<OwnedFd>> {",
        "src/shard/roots.rs: pub(super) fn new(given: Arc<Roots>) -> io::Result<Self> {",
        "src/shard/driver.rs: tls: Option<Arc<rustls::ServerConfig>>,",
        // What work beside a shard has of it: the pipe that wakes it, and whether it is wanted yet. And what it made for many.
        "src/shard/offload.rs: pub(super) struct Unwanted(Arc<AtomicBool>);",
        "src/shard/listings.rs: pub(super) fn take(&mut self, listing: &Arc<Listing>) -> bool {",
        "src/shard/listings.rs: pub(super) listing: Arc<Listing>,",
        "src/shard/listings.rs: pub(super) pieces: Pieces<Arc<Listing>>,",
        "src/shard/offload.rs: pub(super) wake: Arc<OwnedFd>,",
        // The certificates of all connections; rustls asks for these types. Dropped when the handshake is over.
        "src/transport/tls/handshake.rs: pub fn new(config: Arc<ServerConfig>) -> Result<Self, TlsError> {",
        "src/transport/tls/handshake.rs: pub fn connect(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {",
        "src/transport/tls/config.rs: ) -> Result<Arc<ServerConfig>, rustls::Error> {",
        "src/transport/tls/config.rs: ) -> Result<Arc<ClientConfig>, rustls::Error> {",
        "src/transport/tls/verifier.rs: provider: Arc<CryptoProvider>,",
        "src/transport/tls/verifier.rs: chains: Option<Arc<WebPkiServerVerifier>>,",
        "src/transport/tls/verifier.rs: pub(super) fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {",
    ];
    for folder in [
        "shard",
        "transport",
        "h1",
        "h2",
        "files",
        "http",
        "listing",
        "site",
        "uring",
    ] {
        for line in named(
            folder,
            &[
                "Mutex",
                "RwLock",
                "Arc<",
                "RefCell<Rc",
                "static mut",
                "thread_local!",
            ],
        ) {
            assert!(
                exceptions.contains(&line.as_str()),
                "shared state on the data path: {line}"
            );
        }
    }
}

#[test]
fn the_cores_do_no_io_and_read_no_clock() {
    let banned = [
        "std::net",
        "std::fs",
        "std::io",
        "std::os",
        "Instant::now",
        "SystemTime",
        "libc",
        "io_uring",
        "glommio",
        "rustix",
        "crate::uring",
        "crate::shard",
        "crate::files",
        "crate::server",
        "crate::transport",
    ];
    for folder in ["h1", "h2", "http", "site"] {
        assert_eq!(named(folder, &banned), [] as [&str; 0]);
    }
    // Nor does any of them name another, but for what a site decides by the rules of RFC 9110.
    let siblings = [
        ("h1", &["crate::h2", "crate::http", "crate::site"][..]),
        ("h2", &["crate::h1", "crate::http", "crate::site"]),
        ("http", &["crate::h1", "crate::h2", "crate::site"]),
        ("site", &["crate::h1", "crate::h2"]),
    ];
    for (folder, others) in siblings {
        assert_eq!(named(folder, others), [] as [&str; 0]);
    }
    assert_eq!(named("http", &["crate::slot"]), [] as [&str; 0]);
}

#[test]
fn arrows_point_down_only() {
    assert_eq!(
        named(
            "uring",
            &[
                "crate::h1",
                "crate::h2",
                "crate::http",
                "crate::files",
                "crate::shard"
            ]
        ),
        [] as [&str; 0]
    );
    assert_eq!(
        named(
            "files",
            &["crate::shard", "crate::server", "crate::h1", "crate::h2"]
        ),
        [] as [&str; 0]
    );
    assert_eq!(
        named(
            "listing",
            &[
                "crate::shard",
                "crate::server",
                "crate::h1",
                "crate::h2",
                "crate::uring",
                "crate::config",
                "glommio"
            ]
        ),
        [] as [&str; 0]
    );
    assert_eq!(
        named(
            "transport",
            &["crate::shard", "crate::h1", "crate::h2", "crate::uring"]
        ),
        [] as [&str; 0]
    );
    assert_eq!(
        named("shard", &["crate::server", "crate::cli", "crate::config"]),
        [] as [&str; 0]
    );
}

#[test]
fn connections_and_files_are_reached_through_the_ring() {
    // Or the simulated kernel would not be asked. Directories are read beside the shard.
    let past = [
        "fs::fstat",
        "fs::statx",
        "net::shutdown",
        "net::send",
        "net::recv",
        "Mapping::new",
        "uring::read_now",
        "uring::resident_now",
    ];
    assert_eq!(named("shard", &past), [] as [&str; 0]);
}

#[test]
fn unsafe_code_lives_in_uring_alone() {
    let found = named("", &["unsafe {", "unsafe fn", "unsafe impl"]);
    let outside: Vec<_> = found
        .iter()
        .filter(|line| !line.starts_with("src/uring/"))
        .collect();
    assert_eq!(outside, [] as [&String; 0]);
    assert!(!found.is_empty(), "the search works");
}
