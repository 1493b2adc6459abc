//! A listing as a representation, piece by piece.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

use super::entries::Entries;
use super::query::Query;
use super::{json, page};
use crate::http::EntityTag;

/// Bytes of one piece, about: the last may be shorter, and the first longer where the path is thousands of bytes long.
pub const CHUNK_BYTES: usize = 64 << 10;

/// Most that one entry takes: a name of 255 bytes, all of them encoded in the link (3 each) and escaped in the text (6
/// each in JSON), and what is around them.
const ROW_BYTES_MAX: usize = 2_560;

/// What a listing is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A page for people.
    Html,
    /// For programs:
    ///
    /// ```json
    /// {"path":"/a b/","directories":1,"files":1,"bytes":5,"truncated":false,"entries":[
    /// {"name":"c d","href":"c%20d/","type":"directory","modified":"2026-11-22T00:09:31Z"},
    /// {"name":"e.txt","href":"e.txt","type":"file","size":5,"modified":"2026-11-22T00:09:31Z"}
    /// ]}
    /// ```
    ///
    /// - `path`: that of the directory in the URL, decoded.
    /// - `directories`, `files`, `bytes`: how many there are below, and the sum of the sizes.
    /// - `truncated`: whether the directory holds more than [`MAX_ENTRIES`](super::MAX_ENTRIES), which are all that
    ///   are below.
    /// - `entries`: one to a line, in the order that was asked for, directories first.
    /// - `name`: the name; bytes in it that are not UTF-8 are U+FFFD here, and right in `href`.
    /// - `href`: a relative reference (RFC 3986 section 4.2) to the entry from the listing's URL.
    /// - `type`: `directory` or `file`.
    /// - `size`: bytes, of files alone.
    /// - `modified`: RFC 3339, UTC, whole seconds.
    Json,
}

impl Format {
    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// A listing to be sent, which holds the entries until it is dropped.
#[derive(Debug)]
pub struct Listing {
    /// The path in the URL, decoded, without leading and trailing slash.
    path: Box<[u8]>,
    entries: Entries,
    query: Query,
    format: Format,
}

/// The pieces of a listing's representation, each made when it is asked for. Their number is not known before the last.
#[derive(Debug)]
pub struct Pieces<L> {
    listing: L,
    next: Part,
}

/// What comes next.
#[derive(Debug)]
enum Part {
    Head,
    /// The entry at this place, or what comes after the last.
    Entry(usize),
    End,
}

impl Listing {
    /// Sorts the entries, to be written as `query` and `format` say.
    ///
    /// `path` is that of the directory in the URL, decoded, without leading and trailing slash. All links are relative
    /// to the listing's own URL, which ends in a slash.
    #[must_use]
    pub fn new(path: &[u8], mut entries: Entries, query: Query, format: Format) -> Self {
        entries.sort(query);
        Self {
            path: path.into(),
            entries,
            query,
            format,
        }
    }

    /// Bytes of memory that the entries take for as long as it is not dropped.
    #[must_use]
    pub fn bytes_held(&self) -> usize {
        self.entries.bytes()
    }

    /// The validator (RFC 9110 section 8.8.3): a hash of everything that the representation is made of, the
    /// program's version among it.
    ///
    /// Nothing cheaper tells one listing from another: a directory's own modification time stays as it is when a file
    /// in it grows. For the same reason there is no date for `Last-Modified`.
    #[must_use]
    pub fn etag(&self) -> EntityTag {
        // Its keys are fixed: the same listing has the same tag in every shard and after a restart.
        let mut hasher = DefaultHasher::new();
        (env!("CARGO_PKG_VERSION"), page::CONTENT_SECURITY_POLICY).hash(&mut hasher);
        (&self.path, self.query, self.format).hash(&mut hasher);
        self.entries.is_truncated().hash(&mut hasher);
        self.entries
            .iter()
            .for_each(|entry| entry.hash(&mut hasher));
        EntityTag::from_digest(hasher.finish())
    }

    fn write_head(&self, chunk: &mut Chunk) -> Result<(), Unwritten> {
        match self.format {
            Format::Html => page::write_head(chunk, &self.path, &self.entries, self.query)?,
            Format::Json => json::write_head(chunk, &self.path, &self.entries)?,
        }
        Ok(())
    }

    /// Writes the entry at this place. `false` where there is none.
    fn write_entry(&self, chunk: &mut Chunk, at: usize) -> Result<bool, Unwritten> {
        let Some(entry) = self.entries.get(at) else {
            return Ok(false);
        };
        match self.format {
            Format::Html => page::write_row(chunk, entry)?,
            Format::Json => json::write_entry(chunk, entry, at == 0)?,
        }
        Ok(true)
    }

    fn write_end(&self, chunk: &mut Chunk) -> Result<(), Unwritten> {
        match self.format {
            Format::Html => page::write_end(chunk, &self.entries)?,
            Format::Json => json::write_end(chunk),
        }
        Ok(())
    }
}

impl IntoIterator for Listing {
    type Item = Bytes;
    type IntoIter = Pieces<Self>;

    fn into_iter(self) -> Pieces<Self> {
        Pieces::new(self)
    }
}

impl<L: Borrow<Listing>> Pieces<L> {
    /// All of them; `listing` may be shared with others who send it.
    #[must_use]
    pub fn new(listing: L) -> Self {
        Self {
            listing,
            next: Part::Head,
        }
    }

    /// Writes until the piece is full.
    fn fill(&mut self, chunk: &mut Chunk) -> Result<(), Unwritten> {
        let listing = self.listing.borrow();
        if let Part::Head = self.next {
            listing.write_head(chunk)?;
            self.next = Part::Entry(0);
        }
        while let Part::Entry(at) = self.next
            && chunk.0.len() + ROW_BYTES_MAX <= CHUNK_BYTES
        {
            let before = chunk.0.len();
            if listing.write_entry(chunk, at)? {
                self.next = Part::Entry(at + 1);
            } else {
                listing.write_end(chunk)?;
                self.next = Part::End;
            }
            debug_assert!(chunk.0.len() - before <= ROW_BYTES_MAX);
        }
        Ok(())
    }
}

impl<L: Borrow<Listing>> Iterator for Pieces<L> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Part::End = self.next {
            return None;
        }
        let mut chunk = Chunk(Vec::with_capacity(CHUNK_BYTES));
        if self.fill(&mut chunk).is_err() {
            debug_assert!(false, "writing to memory does not fail");
            self.next = Part::End;
        }
        Some(chunk.0.into())
    }
}

/// A piece being written.
pub(super) struct Chunk(pub(super) Vec<u8>);

impl fmt::Write for Chunk {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What the writers of formats say when they cannot write; onto memory they can.
pub(super) struct Unwritten;

impl From<askama::Error> for Unwritten {
    fn from(_: askama::Error) -> Self {
        Self
    }
}

impl From<serde_json::Error> for Unwritten {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::listing::{Entry, Kind};

    const FORMATS: [Format; 2] = [Format::Html, Format::Json];

    /// Files named by their number, `fill` bytes of `byte` before it.
    fn numbered(count: usize, byte: u8, fill: usize) -> Entries {
        let mut entries = Entries::default();
        for number in 0..count {
            let mut name = vec![byte; fill];
            name.extend_from_slice(format!("{number}").as_bytes());
            let pushed = entries.push(Entry {
                name: &name,
                kind: Kind::File,
                size: u64::MAX,
                modified_s: 0,
            });
            assert!(pushed);
        }
        entries
    }

    fn listing(entries: Entries, format: Format) -> Listing {
        Listing::new(b"a/b", entries, Query::default(), format)
    }

    #[test]
    fn pieces_are_full_and_none_is_too_long() {
        // What each format writes longest: a quote in HTML, a control in JSON.
        for (format, byte) in [
            (Format::Html, b'"'),
            (Format::Json, 1),
            (Format::Json, b'a'),
        ] {
            for count in [0, 1, 500] {
                let pieces: Vec<_> =
                    Pieces::new(listing(numbered(count, byte, 250), format)).collect();
                for (at, piece) in pieces.iter().enumerate() {
                    assert!(piece.len() <= CHUNK_BYTES);
                    let last = at + 1 == pieces.len();
                    assert!(last || piece.len() > CHUNK_BYTES - ROW_BYTES_MAX);
                }
                let whole = String::from_utf8(pieces.concat()).unwrap();
                let links = match format {
                    Format::Html => whole.matches("<tr><td><a href=").count(),
                    Format::Json => whole.matches("\"href\":").count(),
                };
                assert_eq!(links, count);
            }
        }
    }

    #[test]
    fn a_path_of_any_length_is_written() {
        let path = ["\""; 2047].join("/");
        for format in FORMATS {
            let pieces: Vec<_> = Listing::new(
                path.as_bytes(),
                numbered(1, b'a', 1),
                Query::default(),
                format,
            )
            .into_iter()
            .collect();
            assert!(pieces.iter().all(|piece| piece.len() < 2 * CHUNK_BYTES));
        }
    }

    #[test]
    fn it_can_be_made_on_another_thread() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&listing(Entries::default(), Format::Html));
    }

    #[test]
    fn the_tag_changes_with_what_is_shown_and_with_nothing_else() {
        let entry = |name, size, modified_s| Entry {
            name,
            kind: Kind::File,
            size,
            modified_s,
        };
        let of = |entries: &[Entry<'_>]| {
            let mut all = Entries::default();
            for &entry in entries {
                assert!(all.push(entry));
            }
            all
        };
        let (a, b) = (entry(b"a", 1, 2), entry(b"b", 3, 4));
        let tag = |entries| listing(entries, Format::Html).etag();
        let original = tag(of(&[a, b]));
        assert_eq!(tag(of(&[b, a])), original);

        let mut truncated = of(&[a, b]);
        truncated.set_truncated();
        let directory = Entry {
            kind: Kind::Directory,
            ..b
        };
        for changed in [
            of(&[a]),
            of(&[a, entry(b"c", 3, 4)]),
            of(&[a, entry(b"b", 5, 4)]),
            of(&[a, entry(b"b", 3, 5)]),
            of(&[a, directory]),
            truncated,
        ] {
            assert_ne!(tag(changed), original);
        }
        assert_ne!(listing(of(&[a, b]), Format::Json).etag(), original);
        let query = Query::parse(b"order=desc");
        let sorted = Listing::new(b"a/b", of(&[a, b]), query, Format::Html);
        assert_ne!(sorted.etag(), original);
        let elsewhere = Listing::new(b"a", of(&[a, b]), Query::default(), Format::Html);
        assert_ne!(elsewhere.etag(), original);
    }
}
