//! The pages that `scripts/listing-pages` shows to a browser, and an index of them.

use std::fs;
use std::path::Path;

use ringlane::listing::{CONTENT_SECURITY_POLICY, Entries, Entry, Format, Kind, Listing, Query};

use super::hostile;

/// 2026-11-22T00:09:31Z
const NOW_S: i64 = 1_795_306_171;
const DAY_S: i64 = 86_400;

struct Page {
    path: &'static str,
    query: &'static str,
    entries: Entries,
}

fn add(entries: &mut Entries, name: &[u8], kind: Kind, size: u64, days_ago: i64) {
    assert!(entries.push(Entry {
        name,
        kind,
        size,
        modified_s: NOW_S - days_ago * DAY_S - (size % 86_400).cast_signed(),
    }));
}

/// What a download site may hold.
fn releases() -> Entries {
    let mut entries = Entries::default();
    for (name, days_ago) in [
        ("archive", 900),
        ("nightly", 0),
        ("signing keys", 412),
        ("v1.9", 200),
        ("v1.10", 9),
    ] {
        add(&mut entries, name.as_bytes(), Kind::Directory, 0, days_ago);
    }
    for (name, size, days_ago) in [
        ("README.md", 4_812, 9),
        ("CHANGELOG.md", 88_214, 9),
        ("SHA256SUMS", 1_020, 9),
        ("ringlane-1.10.0-aarch64-linux.tar.zst", 7_340_032, 9),
        ("ringlane-1.10.0-x86_64-linux.tar.zst", 7_864_320, 9),
        ("ringlane-1.9.2-x86_64-linux.tar.zst", 7_710_002, 200),
        ("ringlane-1.10.0-src.tar.gz", 1_126_400, 9),
        ("debian-13-netinst-amd64.iso", 783_286_272, 33),
        ("dataset-2025.parquet", 214_748_364_800, 71),
        ("dataset-2026.parquet", 1_319_413_953_331, 1),
        ("Grüße aus Köln.pdf", 2_411_724, 1_700),
        ("日本語のドキュメント.pdf", 912_384, 80),
        ("שלום עולם.txt", 311, 15),
        ("robots.txt", 0, 3_000),
    ] {
        add(&mut entries, name.as_bytes(), Kind::File, size, days_ago);
    }
    entries
}

fn hostile_names() -> Entries {
    let mut entries = Entries::default();
    for (at, name) in hostile::names().iter().enumerate() {
        let kind = if at % 7 == 3 {
            Kind::Directory
        } else {
            Kind::File
        };
        let size = 3u64.saturating_pow(u32::try_from(at).unwrap());
        add(
            &mut entries,
            name,
            kind,
            size,
            i64::try_from(at).unwrap() * 37,
        );
    }
    entries
}

fn many() -> Entries {
    let mut entries = Entries::default();
    for number in 0..10_000u64 {
        let name = format!("IMG_{number}.jpeg");
        add(
            &mut entries,
            name.as_bytes(),
            Kind::File,
            2_000_000 + number * 77,
            3,
        );
    }
    entries
}

fn truncated() -> Entries {
    let mut entries = releases();
    entries.set_truncated();
    entries
}

#[test]
fn pages_for_the_browser() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("listing-pages");
    fs::create_dir_all(&folder).unwrap();
    let deep = "pub/mirrors/a folder with spaces/and-one-with-a-name-that-is-really-quite-long-for-a-telephone/v1.10";
    let pages = [
        Page {
            path: "",
            query: "",
            entries: releases(),
        },
        Page {
            path: deep,
            query: "sort=size&order=desc",
            entries: releases(),
        },
        Page {
            path: deep,
            query: "sort=modified&order=desc",
            entries: releases(),
        },
        Page {
            path: "a b",
            query: "",
            entries: hostile_names(),
        },
        Page {
            path: "empty",
            query: "",
            entries: Entries::default(),
        },
        Page {
            path: "not all",
            query: "sort=name&order=desc",
            entries: truncated(),
        },
        Page {
            path: "many",
            query: "",
            entries: many(),
        },
    ];
    let mut index = Vec::new();
    for (
        at,
        Page {
            path,
            query,
            entries,
        },
    ) in pages.into_iter().enumerate()
    {
        let file = format!("{at}.html");
        let parsed = Query::parse(query.as_bytes());
        let listing = Listing::new(path.as_bytes(), entries, parsed, Format::Html);
        let html = listing.into_iter().collect::<Vec<_>>().concat();
        assert!(html.starts_with(b"<!doctype html>\n") && html.ends_with(b"</html>\n"));
        fs::write(folder.join(&file), html).unwrap();
        let slash = if path.is_empty() { "" } else { "/" };
        index.push(serde_json::json!({
            "target": format!("/{path}{slash}").replace(' ', "%20"),
            "query": query,
            "file": file,
        }));
    }
    let index = serde_json::json!({
        "content_type": Format::Html.content_type(),
        "content_security_policy": CONTENT_SECURITY_POLICY,
        "pages": index,
    });
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
}
