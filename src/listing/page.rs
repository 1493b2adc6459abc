//! The page: `page.html`, filled by blocks, so that it can be written entry by entry.

use std::borrow::Cow;

use askama::Template;

use super::entries::{Entries, Entry, Kind, Totals};
use super::human::{Grouped, Minute, Moment, Size};
use super::name::{self, Href};
use super::query::{Order, Query, Sort};
use super::render::Chunk;

/// The value of `Content-Security-Policy` for the page: it needs its own style, and nothing else is let in.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    style-src 'sha256-uvvb9GJem/EVfa3rfVlh6yO1LEAY9sz6Uh3WaC/s8ow='; \
    base-uri 'none'; form-action 'none'";

/// What is between `<style>` and `</style>`; the policy above names its hash.
const STYLE: &str = include_str!("style.css");

/// Folders above that are links. The rest of a longer path is text: its links would grow with its square.
const MAX_CRUMB_LINKS: usize = 64;

#[derive(Template)]
#[template(path = "page.html", config = "src/listing/askama.toml", block = "head")]
struct Head<'a> {
    title: Cow<'a, str>,
    style: &'static str,
    crumbs: Vec<Crumb<'a>>,
    truncated: Option<Grouped>,
    columns: [Column; 3],
    parent: bool,
    empty: bool,
}

/// One segment of the path.
struct Crumb<'a> {
    /// With its slash.
    text: Cow<'a, str>,
    /// How many folders up it is; `None` where it is no link.
    up: Option<usize>,
}

struct Column {
    label: &'static str,
    href: &'static str,
    /// The value of `aria-sort` for the one that the table is sorted by.
    sorted: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "page.html", config = "src/listing/askama.toml", block = "row")]
struct Row<'a> {
    href: Href<'a>,
    text: Cow<'a, str>,
    /// Of files alone.
    size: Option<Size>,
    exact: Grouped,
    modified: Moment,
    minute: Minute,
}

#[derive(Template)]
#[template(path = "page.html", config = "src/listing/askama.toml", block = "end")]
struct End {
    totals: Totals,
    directories: Grouped,
    files: Grouped,
    bytes: Size,
    exact: Grouped,
}

pub(super) fn write_head(
    chunk: &mut Chunk,
    path: &[u8],
    entries: &Entries,
    query: Query,
) -> askama::Result<()> {
    let head = Head {
        title: title(path),
        style: STYLE,
        crumbs: crumbs(path),
        truncated: entries
            .is_truncated()
            .then_some(Grouped(entries.len() as u64)),
        columns: [Sort::Name, Sort::Size, Sort::Modified].map(|sort| column(sort, query)),
        parent: !path.is_empty(),
        empty: entries.is_empty(),
    };
    head.render_into(chunk)
}

pub(super) fn write_row(chunk: &mut Chunk, entry: Entry<'_>) -> askama::Result<()> {
    let modified = Moment::from_epoch(entry.modified_s);
    let row = Row {
        href: name::href(entry),
        text: name::shown(entry.name),
        size: match entry.kind {
            Kind::Directory => None,
            Kind::File => Some(Size(entry.size)),
        },
        exact: Grouped(entry.size),
        modified,
        minute: Minute(modified),
    };
    row.render_into(chunk)
}

pub(super) fn write_end(chunk: &mut Chunk, entries: &Entries) -> askama::Result<()> {
    let totals = entries.totals();
    let end = End {
        totals,
        directories: Grouped(totals.directories),
        files: Grouped(totals.files),
        bytes: Size(totals.bytes),
        exact: Grouped(totals.bytes),
    };
    end.render_into(chunk)
}

fn title(path: &[u8]) -> Cow<'_, str> {
    if path.is_empty() {
        return "/".into();
    }
    format!("/{}/", name::shown(path)).into()
}

/// The root and the segments of the path.
fn crumbs(path: &[u8]) -> Vec<Crumb<'_>> {
    let segments = || {
        path.split(|&byte| byte == b'/')
            .filter(|segment| !segment.is_empty())
    };
    let depth = segments().count();
    let texts = segments().map(|segment| format!("{}/", name::shown(segment)).into());
    std::iter::once("/".into())
        .chain(texts)
        .enumerate()
        .map(|(at, text)| Crumb {
            text,
            up: Some(depth - at).filter(|&up| up <= MAX_CRUMB_LINKS),
        })
        .collect()
}

/// A head cell. Its link sorts by the column; the second time, the other way round.
fn column(sort: Sort, query: Query) -> Column {
    let (label, first) = match sort {
        Sort::Name => ("Name", Order::Ascending),
        // The largest and the newest are what people sort for.
        Sort::Size => ("Size", Order::Descending),
        Sort::Modified => ("Modified (UTC)", Order::Descending),
    };
    let (order, sorted) = match query.order {
        _ if query.sort != sort => (first, None),
        Order::Ascending => (Order::Descending, Some("ascending")),
        Order::Descending => (Order::Ascending, Some("descending")),
    };
    Column {
        label,
        href: Query { sort, order }.href(),
        sorted,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::listing::{Format, Listing};
    use html5gum::{DefaultEmitter, Token, Tokenizer};
    use proptest::prelude::*;

    /// What a browser would make of a page.
    #[derive(Debug, Default)]
    struct Parsed {
        hrefs: Vec<String>,
        /// The text of each link.
        texts: Vec<String>,
        /// Names of all elements, in order.
        elements: Vec<String>,
        /// What is open at the end of the input.
        open: Vec<String>,
        text: String,
    }

    fn parse(html: &str) -> Parsed {
        const VOID: [&str; 1] = ["meta"];
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut parsed = Parsed::default();
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            match token {
                Token::StartTag(tag) => {
                    let name = text(&tag.name);
                    if let Some(href) = tag.attributes.get(&b"href"[..]) {
                        parsed.hrefs.push(text(href));
                        parsed.texts.push(String::new());
                    }
                    if !VOID.contains(&name.as_str()) {
                        parsed.open.push(name.clone());
                    }
                    parsed.elements.push(name);
                }
                Token::EndTag(tag) => assert_eq!(parsed.open.pop(), Some(text(&tag.name))),
                Token::String(string) => {
                    if parsed.open.last().is_some_and(|open| open == "a") {
                        parsed.texts.last_mut().unwrap().push_str(&text(&string));
                    }
                    parsed.text.push_str(&text(&string));
                }
                Token::Error(error) => panic!("{error:?} in {html}"),
                Token::Comment(_) => panic!("a comment in {html}"),
                Token::Doctype(_) => {}
            }
        }
        parsed
    }

    fn page(path: &[u8], entries: Entries, query: &str) -> String {
        let query = Query::parse(query.as_bytes());
        let chunks: Vec<_> = Listing::new(path, entries, query, Format::Html)
            .into_iter()
            .collect();
        String::from_utf8(chunks.concat()).unwrap()
    }

    fn file(name: &[u8]) -> Entry<'_> {
        let (kind, size, modified_s) = (Kind::File, 1_234_567, 784_111_777);
        Entry {
            name,
            kind,
            size,
            modified_s,
        }
    }

    #[test]
    fn a_page() {
        let mut entries = Entries::default();
        entries.push(file(b"b.txt"));
        entries.push(Entry {
            kind: Kind::Directory,
            ..file(b"a & o")
        });
        let html = page(b"x y/<z>", entries, "sort=size&order=desc");
        let parsed = parse(&html);
        assert_eq!(
            parsed.hrefs,
            [
                "../../",
                "../",
                "./",
                "./",
                "?sort=size&order=asc",
                "?sort=modified&order=desc",
                "../",
                "a%20%26%20o/",
                "b.txt",
            ]
        );
        assert_eq!(
            parsed.texts,
            [
                "/",
                "x y/",
                "<z>/",
                "Name",
                "Size",
                "Modified (UTC)",
                "Parent folder",
                "a & o/",
                "b.txt",
            ]
        );
        for piece in [
            "<title>Index of /x y/&#60;z&#62;/</title>",
            "<h1><span>Index of</span><a href=\"../../\">/</a><a href=\"../\">x y/</a><a href=\"./\" aria-current=\"page\">",
            "<th scope=\"col\" aria-sort=\"descending\"><a href=\"?sort=size&#38;order=asc\" rel=\"nofollow\">",
            "<td title=\"1,234,567 bytes\">1.2 MiB</td>",
            "<time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time>",
            "<p>1 folder, 1 file, <span title=\"1,234,567 bytes\">1.2 MiB</span></p>",
        ] {
            assert!(html.contains(piece), "{piece} in {html}");
        }
        assert_eq!(html.matches("aria-sort=\"").count(), 1);
        assert!(!html.contains("more than is listed"));
        assert!(!html.contains("is empty"));
    }

    #[test]
    fn the_root_has_no_parent_and_an_empty_folder_says_so() {
        let html = page(b"", Entries::default(), "");
        let parsed = parse(&html);
        let hrefs = [
            "./",
            "?sort=name&order=desc",
            "?sort=size&order=desc",
            "?sort=modified&order=desc",
        ];
        assert_eq!(parsed.hrefs, hrefs);
        assert!(parsed.text.contains("Index of /\n"));
        assert!(parsed.text.contains("This folder is empty."));
        assert!(parsed.text.contains("0 folders, 0 files, 0 B"));
    }

    #[test]
    fn a_page_that_is_not_all_says_so() {
        let mut entries = Entries::default();
        for number in 0..1001 {
            entries.push(file(format!("{number}").as_bytes()));
        }
        entries.set_truncated();
        let text = parse(&page(b"a", entries, "")).text;
        assert!(
            text.contains("more than is listed: these are 1,001 of its entries"),
            "{text}"
        );
    }

    #[test]
    fn a_path_of_thousands_of_folders_has_a_small_head() {
        let path = ["a"; 2000].join("/");
        let html = page(path.as_bytes(), Entries::default(), "");
        assert!(html.len() < 100_000, "{}", html.len());
        let parsed = parse(&html);
        assert_eq!(parsed.hrefs[0], "../".repeat(MAX_CRUMB_LINKS));
        assert!(parsed.text.contains(&format!("/{path}/")));
    }

    #[test]
    fn the_policy_names_the_hash_of_the_style() {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
        // RFC 4648 section 4, for 32 bytes: two thirds of a group are left over.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut base64 = String::new();
        for group in digest.as_ref().chunks(3) {
            let at = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for sextet in 0..=group.len() {
                let index = bits >> (18 - 6 * sextet) & 63;
                base64.push(char::from(alphabet[index as usize]));
            }
        }
        let source = format!("style-src 'sha256-{base64}=';");
        assert!(
            CONTENT_SECURITY_POLICY.contains(&source),
            "style.css changed: {source}"
        );
        let html = page(b"", Entries::default(), "");
        assert!(html.contains(&format!("<style>{STYLE}</style>")));
    }

    fn name() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(vec![
            &b"<"[..],
            b"<script>",
            b"<!--",
            b"-->",
            b"&",
            b"&lt;",
            b"&#x",
            b"\"",
            b"'",
            b"=",
            b" ",
            b"\n",
            b"\x01",
            b"\r",
            b"\x7f",
            b":",
            b"?",
            b"#",
            b"%",
            b"%41",
            b"..",
            b"\\",
            b"javascript:",
            b"{{ x }}",
            b"\xff",
            b"\xc2\x85",
            b"\xe2\x80\xae",
            b"a",
            "日".as_bytes(),
        ]);
        prop_oneof![
            proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat()),
            proptest::collection::vec(
                (1u8..).prop_filter("no slash", |&byte| byte != b'/'),
                1..=255
            ),
        ]
    }

    proptest! {
        #[test]
        fn whatever_a_name_it_is_one_link_that_leads_to_its_bytes(name in name(), directory: bool) {
            let kind = if directory { Kind::Directory } else { Kind::File };
            let mut entries = Entries::default();
            entries.push(Entry { kind, ..file(&name) });
            let parsed = parse(&page(&name, entries, ""));
            prop_assert_eq!(parsed.open, [""; 0]);
            let usual = parse(&page(b"usual", entries_of(b"usual", kind), ""));
            prop_assert_eq!(parsed.elements, usual.elements);

            let href = parsed.hrefs.last().unwrap();
            let (segment, slash) = match href.strip_suffix('/') {
                Some(segment) => (segment, true),
                None => (href.as_str(), false),
            };
            prop_assert_eq!(slash, directory);
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(segment).collect();
            prop_assert_eq!(&decoded, &name);
            let text = parsed.texts.last().unwrap();
            prop_assert_eq!(text, &format!("{}{}", name::shown(&name), if slash { "/" } else { "" }));
        }
    }

    fn entries_of(name: &[u8], kind: Kind) -> Entries {
        let mut entries = Entries::default();
        entries.push(Entry { kind, ..file(name) });
        entries
    }
}
