//! Names that want to be something else.

use std::fs;

use percent_encoding::percent_decode_str;
use ringlane::http::target;
use ringlane::listing::{Format, Listing, Query};

use super::folder::{EVERYTHING, Folder};

/// Every one a name that Linux takes.
pub(crate) fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"plain.txt"[..],
        b" leading space",
        b"  two leading spaces",
        b"trailing space ",
        b"in  the   middle",
        b"\"double quotes\"",
        b"'single quotes'",
        b"`backticks`",
        b"<script>alert(1)<",
        b"<img src=x onerror=alert(1)>",
        b"\"><script>alert(1)<",
        b"' onmouseover='alert(1)",
        b"--><b>",
        b"&amp; &lt; &#60; &",
        b"{{ 7 * 7 }}{% raw %}",
        b"javascript:alert(1)",
        b"data:text",
        b"http:",
        b"C:",
        b"?query=1",
        b"#fragment",
        b"a?b#c",
        b"100%",
        b"%41%2e%2F",
        b"%2e%2e",
        b"%",
        b"...",
        b"..a",
        b"a..",
        b".hidden",
        b"~",
        b"~user",
        b"-rf",
        b"*",
        b"back\\slash",
        b"..\\..\\windows",
        b"semi;colon=1,2&x+y@z!$()[]{}|^",
        b"new\nline",
        b"\r\nSet-Cookie: a=b",
        b"tab\there",
        b"\x01\x1b[31m\x7f",
        b"\xff\xfe not UTF-8 \xc3",
        b"\xc0\xaf\xed\xa0\x80",
        "gr\u{fc}\u{df}e.txt".as_bytes(),
        "\u{65e5}\u{672c}\u{8a9e}.txt".as_bytes(),
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} (1).txt".as_bytes(),
        "invoice\u{202e}fdp.exe".as_bytes(),
        "\u{2066}isolated".as_bytes(),
        "zero\u{200b}width".as_bytes(),
        "line\u{2028}separator \u{85}".as_bytes(),
        "\u{1f600}\u{1f468}\u{200d}\u{1f469}.gif".as_bytes(),
        "e\u{301}\u{301}\u{301}\u{301} combining".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    names.push([b'w'; 255].to_vec());
    names.push([b'"'; 255].to_vec());
    names.push([0xff; 255].to_vec());
    names.push("long words with spaces ".repeat(11).into_bytes());
    names
}

#[test]
fn every_link_leads_to_the_bytes_of_its_name() {
    let root = Folder::new();
    root.directory(b"a b");
    for name in names() {
        root.file(&[b"a b/", &name[..]].concat(), name.len());
    }
    let can_be_asked_for = |name: &Vec<u8>| !name.iter().any(u8::is_ascii_control);
    let listed = names().into_iter().filter(can_be_asked_for).count();
    assert!(listed < names().len());
    let entries = root.read(b"a b", EVERYTHING).unwrap();
    assert_eq!(entries.len(), listed);
    let listing = Listing::new(b"a b", entries, Query::default(), Format::Json);
    let json: serde_json::Value =
        serde_json::from_slice(&listing.into_iter().collect::<Vec<_>>().concat()).unwrap();
    let items = json["entries"].as_array().unwrap();
    assert_eq!(items.len(), listed);
    for item in items {
        let href = item["href"].as_str().unwrap();
        let name: Vec<u8> = percent_decode_str(href).collect();
        let path = [b"a b/", &name[..]].concat();
        // The file of that name, and no other: each is as long as its name.
        let found = fs::metadata(root.path(&path)).unwrap();
        assert_eq!(found.len(), name.len() as u64);
        assert_eq!(item["size"], name.len());

        // The request for it means that path.
        let mut buffer = Vec::new();
        let target = target::resolve(format!("/a%20b/{href}").as_bytes(), &mut buffer).unwrap();
        assert_eq!(target.path, path);
    }
}
