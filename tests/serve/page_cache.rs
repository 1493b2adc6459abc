//! `files.page-cache`: every byte is right whatever becomes of the pages, and the pages go, stay, or never come.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use ringlane::uring::Mapping;
use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

use crate::client::{BOTH, Client, Download, Limits, is_internal_reset};
use crate::content::{Content, KIB, MIB};
use crate::server::Server;

/// No multiple of a page or of a block.
const LEN: usize = 20 * MIB + 1_234;
const PAGE: usize = 4_096;

struct Site {
    folder: TempDir,
    content: Content,
}

impl Site {
    fn new() -> Self {
        Self::within(TempDir::new().unwrap())
    }

    fn within(folder: TempDir) -> Self {
        let content = Content::new(21, LEN);
        fs::create_dir(folder.path().join("root")).unwrap();
        let site = Self { folder, content };
        content.write(&site.file()).unwrap();
        site
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("root/large.bin")
    }

    fn serve(&self, page_cache: &str) -> Server {
        let root = self.folder.path().join("root");
        let config = self.folder.path().join("ringlane.toml");
        let text = format!("root = {root:?}\n[files]\npage-cache = '{page_cache}'\n");
        fs::write(&config, text).unwrap();
        Server::configured(&config)
    }
}

/// The part of the file's pages that are in memory. Not asked by reading: a read that may not wait has the pages
/// brought in all the same.
fn resident(path: &Path) -> f64 {
    let file = File::open(path).unwrap();
    let mapping = Mapping::new(file.as_fd(), LEN as u64).unwrap();
    let pages = LEN.div_ceil(PAGE);
    let here = (0..pages)
        .filter(|page| {
            let at = (page * PAGE) as u64;
            mapping.resident(at..at + 1)
        })
        .count();
    here as f64 / pages as f64
}

/// Has the file's pages dropped; whether they went.
fn evict(path: &Path) -> bool {
    let file = File::open(path).unwrap();
    let mapping = Mapping::new(file.as_fd(), LEN as u64).unwrap();
    if !mapping.knows_residency() {
        println!("skipped: this user is not told which pages are in memory");
        return false;
    }
    drop(mapping);
    file.sync_all().unwrap();
    // Pages that were just written may be held for a moment.
    for _ in 0..40 {
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        if resident(path) == 0.0 {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    println!("skipped: the file system of {path:?} keeps its pages");
    false
}

async fn every_byte_is_right(page_cache: &str, site: Site) {
    let server = site.serve(page_cache);
    for scheme in BOTH {
        for limits in [
            Limits::default(),
            Limits {
                stream_window: 8 * MIB as u32,
                connection_window: 16 * MIB as u32,
                max_frame: 100_000,
            },
        ] {
            fadvise(File::open(site.file()).unwrap(), 0, None, Advice::DontNeed).unwrap();
            let client = Client::connect(&server, scheme, limits).await.unwrap();
            let (first, second) = (
                client.fetch("/large.bin", site.content),
                client.fetch("/large.bin", site.content),
            );
            tokio::join!(first, second);
            for (start, len) in [
                (0, 1),
                (1, 1),
                (4_095, 2),
                (4_097, 16_384),
                (MIB - 1, 300 * KIB + 3),
                (7 * MIB + 511, MIB),
                (LEN - 1, 1),
                (LEN - 1_235, 1_235),
                (LEN - MIB - 77, MIB + 77),
            ] {
                let range = format!("bytes={start}-{}", start + len - 1);
                let answer = client
                    .exchange(Method::GET, "/large.bin", &[("range", &range)])
                    .await;
                assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
                assert_eq!(answer.body.len(), len, "{range}");
                site.content.assert_right(&range, start, &answer.body);
            }
        }
    }
    server.drained().await.assert_clean();
}

#[tokio::test]
async fn every_byte_is_right_with_pages_kept() {
    every_byte_is_right("keep", Site::new()).await;
}

#[tokio::test]
async fn every_byte_is_right_with_pages_dropped() {
    every_byte_is_right("drop", Site::new()).await;
}

#[tokio::test]
async fn every_byte_is_right_past_the_page_cache() {
    every_byte_is_right("direct", Site::new()).await;
}

/// tmpfs refuses `RWF_DONTCACHE`, and on older kernels `O_DIRECT`: what was asked for is done another way.
#[tokio::test]
async fn every_byte_is_right_where_the_file_system_refuses() {
    let Ok(folder) = TempDir::new_in("/dev/shm") else {
        println!("skipped: no tmpfs at /dev/shm");
        return;
    };
    let site = Site::within(folder);
    every_byte_is_right("drop", site).await;
    every_byte_is_right("direct", Site::within(TempDir::new_in("/dev/shm").unwrap())).await;
}

/// The part of the file that is in memory after a download of all of it in each scheme; `None` where that means nothing.
async fn resident_after_downloads(page_cache: &str) -> Option<[f64; 2]> {
    let site = Site::new();
    if !evict(&site.file()) {
        return None;
    }
    let server = site.serve(page_cache);
    let mut parts = [0.0; 2];
    for (part, scheme) in parts.iter_mut().zip(BOTH) {
        let client = Client::connect(&server, scheme, Limits::default())
            .await
            .unwrap();
        client.fetch("/large.bin", site.content).await;
        // What is dropped behind the last send is dropped by another thread.
        for _ in 0..100 {
            *part = resident(&site.file());
            if page_cache == "keep" || *part < 0.1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    println!("{page_cache}: {parts:?} resident");
    let ended = server.drained().await;
    ended.assert_clean();
    if ended.text.contains("past the page cache") {
        println!("skipped: the file system refuses O_DIRECT");
        return None;
    }
    Some(parts)
}

#[tokio::test]
async fn what_was_sent_stays_in_memory_when_it_is_to_be_kept() {
    if let Some(parts) = resident_after_downloads("keep").await {
        // Memory may be short while other tests run.
        assert!(parts.iter().any(|&part| part > 0.5), "{parts:?}");
    }
}

#[tokio::test]
async fn what_was_sent_leaves_memory_when_it_is_to_be_dropped() {
    if let Some(parts) = resident_after_downloads("drop").await {
        assert!(parts.iter().all(|&part| part < 0.2), "{parts:?}");
    }
}

#[tokio::test]
async fn nothing_comes_into_the_page_cache_when_it_is_passed_by() {
    if let Some(parts) = resident_after_downloads("direct").await {
        assert_eq!(parts, [0.0, 0.0]);
    }
}

/// As the truncation tests of files that are mapped: the stream is reset, and all else goes on.
async fn truncated(page_cache: &str) {
    let site = Site::new();
    let other = Content::new(22, 3 * MIB + 5);
    other
        .write(&site.file().with_file_name("other.bin"))
        .unwrap();
    let server = site.serve(page_cache);
    for scheme in BOTH {
        for left in [12 * MIB + 777, 10 * MIB, 0] {
            site.content.write(&site.file()).unwrap();
            let window = 256 * KIB;
            let limits = Limits {
                stream_window: window as u32,
                ..Limits::default()
            };
            let client = Client::connect(&server, scheme, limits).await.unwrap();
            // Written anew: what the server knows of it may be a second old.
            tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
            let stream = client.get("/large.bin").await.unwrap();
            let mut shrinking = Download::new(stream, "/large.bin", site.content);
            shrinking.until(4 * MIB).await.unwrap();
            shrinking.until_blocked(window).await.unwrap();
            let file = File::options().write(true).open(site.file()).unwrap();
            file.set_len(left as u64).unwrap();
            let error = shrinking.finish().await.expect_err("it is not all there");
            assert!(is_internal_reset(&error), "{error:?}");
            assert!(shrinking.received() <= left.max(5 * MIB));
            client.fetch("/other.bin", other).await;
        }
    }
    server.drained().await.assert_clean();
}

#[tokio::test]
async fn a_truncated_file_resets_its_stream_alone_with_pages_dropped() {
    truncated("drop").await;
}

#[tokio::test]
async fn a_truncated_file_resets_its_stream_alone_past_the_page_cache() {
    truncated("direct").await;
}
