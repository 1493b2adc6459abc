//! The JSON form; its shape is documented at [`Format::Json`](super::Format::Json).

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Serialize, Serializer};

use super::entries::{Entries, Entry, Kind};
use super::human::Moment;
use super::name::{self, Href};
use super::render::Chunk;

#[derive(Serialize)]
struct Head<'a> {
    path: Cow<'a, str>,
    directories: u64,
    files: u64,
    bytes: u64,
    truncated: bool,
}

#[derive(Serialize)]
struct Item<'a> {
    name: Cow<'a, str>,
    href: Text<Href<'a>>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    modified: Text<Moment>,
}

/// Written as a string, as it is displayed.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub(super) fn write_head(
    chunk: &mut Chunk,
    path: &[u8],
    entries: &Entries,
) -> serde_json::Result<()> {
    let mut slashed = Vec::with_capacity(path.len() + 2);
    slashed.push(b'/');
    if !path.is_empty() {
        slashed.extend_from_slice(path);
        slashed.push(b'/');
    }
    let totals = entries.totals();
    let head = Head {
        path: String::from_utf8_lossy(&slashed),
        directories: totals.directories,
        files: totals.files,
        bytes: totals.bytes,
        truncated: entries.is_truncated(),
    };
    serde_json::to_writer(&mut chunk.0, &head)?;
    // The object goes on with its entries.
    chunk.0.pop();
    chunk.0.extend_from_slice(b",\"entries\":[");
    Ok(())
}

pub(super) fn write_entry(
    chunk: &mut Chunk,
    entry: Entry<'_>,
    first: bool,
) -> serde_json::Result<()> {
    chunk
        .0
        .extend_from_slice(if first { b"\n" } else { b",\n" });
    let (r#type, size) = match entry.kind {
        Kind::Directory => ("directory", None),
        Kind::File => ("file", Some(entry.size)),
    };
    let item = Item {
        name: String::from_utf8_lossy(entry.name),
        href: Text(name::href(entry)),
        r#type,
        size,
        modified: Text(Moment::from_epoch(entry.modified_s)),
    };
    serde_json::to_writer(&mut chunk.0, &item)
}

pub(super) fn write_end(chunk: &mut Chunk) {
    chunk.0.extend_from_slice(b"\n]}\n");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::listing::{Format, Listing, Query};
    use proptest::prelude::*;

    fn json(path: &[u8], entries: Entries) -> String {
        let chunks: Vec<_> = Listing::new(path, entries, Query::default(), Format::Json)
            .into_iter()
            .collect();
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[test]
    fn the_documented_shape() {
        let mut entries = Entries::default();
        for (name, kind, size) in [("e.txt", Kind::File, 5), ("c d", Kind::Directory, 9)] {
            let (name, modified_s) = (name.as_bytes(), 1_795_306_171);
            entries.push(Entry {
                name,
                kind,
                size,
                modified_s,
            });
        }
        assert_eq!(
            json(b"a b", entries),
            r#"{"path":"/a b/","directories":1,"files":1,"bytes":5,"truncated":false,"entries":[
{"name":"c d","href":"c%20d/","type":"directory","modified":"2026-11-22T00:09:31Z"},
{"name":"e.txt","href":"e.txt","type":"file","size":5,"modified":"2026-11-22T00:09:31Z"}
]}
"#
        );
    }

    #[test]
    fn nothing_listed_and_not_all_listed() {
        let mut entries = Entries::default();
        entries.set_truncated();
        let value: serde_json::Value = serde_json::from_str(&json(b"", entries)).unwrap();
        assert_eq!(value["path"], "/");
        assert_eq!(value["truncated"], true);
        assert_eq!(value["entries"], serde_json::json!([]));
    }

    proptest! {
        #[test]
        fn any_name_is_read_back(names in proptest::collection::btree_set(
            proptest::collection::vec((1u8..).prop_filter("no slash", |&byte| byte != b'/'), 1..20), 0..5)) {
            let mut entries = Entries::default();
            for name in &names {
                entries.push(Entry { name, kind: Kind::File, size: 1, modified_s: -1 });
            }
            let value: serde_json::Value = serde_json::from_str(&json(b"\xff\"", entries)).unwrap();
            let items = value["entries"].as_array().unwrap();
            prop_assert_eq!(items.len(), names.len());
            for item in items {
                let href = item["href"].as_str().unwrap();
                let name: Vec<u8> = percent_encoding::percent_decode_str(href).collect();
                prop_assert_eq!(item["name"].as_str().unwrap(), String::from_utf8_lossy(&name));
                prop_assert!(names.contains(&name));
            }
        }
    }
}
