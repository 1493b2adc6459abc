//! Wrong bodies: every one is told, wherever its wrong byte stands.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::client::{bench, result};
use super::raw::Raw;
use super::server::Server;

const LEN: usize = 300_007;
/// First, last and middle; around the ends of frames of 16,384 bytes, of TLS records, and of receive buffers.
const PLACES: [usize; 9] = [
    0,
    1,
    16_383,
    16_384,
    16_385,
    65_536,
    LEN / 2,
    LEN - 2,
    LEN - 1,
];

fn content() -> Vec<u8> {
    // Neither constant nor periodic with any buffer.
    (0..LEN as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8)
        .collect()
}

/// A folder with the right file, and for each place one that is wrong there.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write =
        |name: String, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
    let right = content();
    for place in PLACES {
        let mut wrong = right.clone();
        wrong[place] ^= 0x40;
        write(format!("wrong-{place}"), &wrong);
    }
    write("right".to_owned(), &right);
    write("short".to_owned(), &right[..LEN - 1]);
    write("long".to_owned(), &[&right[..], b"!"].concat());
    folder
}

/// The one mismatch of a run.
fn mismatch(url: &str, way: &[&str], check: &[&str]) -> Value {
    let arguments = [&[url, "-k", "-n", "1"], way, check].concat();
    let result = result(&arguments, 1);
    assert_eq!(result["total"]["requests"]["failed"], 1, "{arguments:?}");
    assert_eq!(result["total"]["errors"][0]["kind"], "mismatch");
    let mismatches = result["mismatches"].as_array().unwrap();
    assert_eq!(mismatches.len(), 1, "{arguments:?}");
    assert_eq!(mismatches[0]["url"], url);
    mismatches[0]["what"].clone()
}

#[test]
fn a_wrong_byte_anywhere_is_told() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--shards", "1"]);
    let right = folder.path().join("right");
    let expect = ["--expect", right.to_str().unwrap()];
    let content = content();
    for (scheme, address) in [("http", server.http), ("https", server.https)] {
        for way in [&[][..], &["--http1"]] {
            let url = |name: &str| format!("{scheme}://{address}/{name}");
            let right = url("right");
            let good = [&[&*right, "-k", "-n", "3"], way, &expect].concat();
            assert_eq!(result(&good, 0)["total"]["requests"]["succeeded"], 3);
            for place in PLACES {
                let what = mismatch(&url(&format!("wrong-{place}")), way, &expect);
                assert_eq!(what["what"], "byte");
                assert_eq!(what["offset"], place as u64, "{scheme} {way:?}");
                assert_eq!(what["expected"], content[place]);
                assert_eq!(what["received"], content[place] ^ 0x40);
            }
            for (name, len) in [("short", LEN - 1), ("long", LEN + 1)] {
                let what = mismatch(&url(name), way, &expect);
                assert_eq!(what["what"], "length");
                assert_eq!(
                    (&what["expected"], &what["received"]),
                    (&LEN.into(), &len.into())
                );
            }
        }
    }
}

#[test]
fn hashes_and_ranges_are_checked() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--shards", "1"]);
    let url = |name: &str| format!("http://{}/{name}", server.http);
    // Of the right file, by the digest that the server has of it.
    let hash = sha256(&folder.path().join("right"));
    let verify = ["--verify", &hash];
    let (right, wrong) = (url("right"), url("wrong-16384"));
    let good = [&[&*right, "-n", "2"], &verify[..]].concat();
    assert_eq!(result(&good, 0)["total"]["requests"]["succeeded"], 2);
    let what = mismatch(&url("wrong-16384"), &[], &verify);
    assert_eq!(
        (&what["what"], &what["expected"]),
        (&"hash".into(), &hash.as_str().into())
    );
    // A range is compared with its part of the file alone.
    let right = folder.path().join("right");
    let expect = ["--expect", right.to_str().unwrap()];
    let range = |range| [&["--range", range][..], &expect].concat();
    let arguments = [&[&*wrong, "-n", "2"], &range("16385-20000")[..]].concat();
    assert_eq!(result(&arguments, 0)["total"]["requests"]["succeeded"], 2);
    let what = mismatch(&url("wrong-16384"), &[], &range("16000-20000"));
    assert_eq!(
        (&what["what"], &what["offset"]),
        (&"byte".into(), &16_384.into())
    );
}

fn sha256(path: &Path) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &fs::read(path).unwrap());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Answers with the first half of the content, whose fifth byte is wrong; then ends, or says nothing more.
fn halves(stays: bool) -> Raw {
    Raw::start(move |stream| {
        let mut half = content();
        half.truncate(LEN / 2);
        half[4] ^= 1;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LEN}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&half)?;
        if stays {
            // Until the client has gone.
            thread::sleep(Duration::from_secs(20));
        }
        Err(std::io::ErrorKind::ConnectionAborted.into())
    })
}

#[test]
fn a_wrong_byte_of_a_body_that_never_ends_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content()).unwrap();
    let expect = ["--http1", "--expect", file.path().to_str().unwrap()];
    // Cut off by the server; and by the end of the run.
    for (stays, load) in [(false, ["-n", "1"]), (true, ["-d", "1s"])] {
        let server = halves(stays);
        let url = server.url("/");
        let arguments = [&[&*url], &load[..], &expect].concat();
        let result = result(&arguments, 1);
        let what = &result["mismatches"][0]["what"];
        assert_eq!(
            (&what["what"], &what["offset"]),
            (&"byte".into(), &4.into()),
            "{result}"
        );
    }
}

#[test]
fn another_range_than_the_one_asked_for_is_no_success() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), content()).unwrap();
    let server = Raw::start(|stream| {
        let head = format!(
            "HTTP/1.1 206 Some\r\ncontent-range: bytes 0-9/{LEN}\r\ncontent-length: 10\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), &content()[..10]].concat())
    });
    let url = server.url("/");
    let path = file.path().to_str().unwrap();
    let expect = ["--http1", "-n", "1", "--expect", path];
    for (range, code) in [("0-9", 0), ("10-19", 1), ("0-", 1), ("-10", 1)] {
        let asked = format!("--range={range}");
        let result = result(&[&[&*url, &*asked], &expect[..]].concat(), code);
        let errors = &result["total"]["errors"];
        assert_eq!(
            code == 1,
            errors[0]["kind"] == "range_ignored",
            "{range}: {errors}"
        );
    }
    // The first request asks for the beginning, since nothing is known of the target.
    let load = [&*url, "--http1", "-n", "50", "--random-range", "10"];
    let result = result(&load, 0);
    assert!(
        result["total"]["requests"]["failed"].as_u64() > Some(40),
        "{result}"
    );
}

#[test]
fn the_summary_names_what_is_wrong() {
    let folder = folder();
    let server = Server::start(folder.path(), &["--shards", "1"]);
    let right = folder.path().join("right");
    let url = format!("http://{}/wrong-65536", server.http);
    let said = bench(&[&url, "-n", "4", "--expect", right.to_str().unwrap()]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("0 requests succeeded, 4 failed"),
        "{}",
        said.out
    );
    assert!(said.out.contains("byte 65536 is 0x"), "{}", said.out);
    assert!(said.out.contains("wrong body: 4"), "{}", said.out);
}
