//! The media type of a file by its name (RFC 9110 section 8.3).

/// Sent where the name tells nothing.
pub const DEFAULT_MEDIA_TYPE: &str = "application/octet-stream";

/// The value of `Content-Type` for a file of this path or name, by its extension, whatever its case.
///
/// Text types carry `charset=utf-8`. JSON takes no such parameter (RFC 8259 section 11), and XML says its encoding
/// itself, which a parameter would override (RFC 7303 section 3), so `text/xml` and SVG go without.
pub fn content_type(path: &[u8]) -> &'static str {
    let media_type = extension(path)
        .and_then(|extension| mime_guess::from_ext(extension).first_raw())
        .unwrap_or(DEFAULT_MEDIA_TYPE);
    with_charset(media_type)
}

/// What follows the last dot of the last segment. None for `name`, `.name` and `name.`.
fn extension(path: &[u8]) -> Option<&str> {
    let name = match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => &path[slash + 1..],
        None => path,
    };
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    if dot == 0 || dot + 1 == name.len() {
        return None;
    }
    std::str::from_utf8(&name[dot + 1..]).ok()
}

/// One arm per type, so that the value with its parameter is a literal as well.
macro_rules! charset_utf_8 {
    ($given:expr; $($media_type:literal)*) => {
        match $given {
            $($media_type => concat!($media_type, "; charset=utf-8"),)*
            other => other,
        }
    };
}

fn with_charset(media_type: &'static str) -> &'static str {
    if !media_type.starts_with("text/") && media_type != "application/javascript" {
        return media_type;
    }
    // The common ones first; the rest is what mime_guess knows beneath text/.
    charset_utf_8! { media_type;
        "text/html" "text/css" "text/javascript" "text/plain" "application/javascript" "text/markdown"
        "text/csv"
        "text/cache-manifest" "text/calendar" "text/coffeescript" "text/dlm" "text/gemini" "text/h323" "text/iuls"
        "text/jade" "text/less" "text/n3" "text/prs.lines.tag" "text/richtext" "text/scriptlet" "text/sgml"
        "text/shex" "text/slim" "text/stylus" "text/tab-separated-values" "text/turtle" "text/uri-list"
        "text/vbscript" "text/vcard" "text/vnd.curl" "text/vnd.curl.dcurl" "text/vnd.curl.mcurl"
        "text/vnd.curl.scurl" "text/vnd.dvb.subtitle" "text/vnd.fly" "text/vnd.fmi.flexstor" "text/vnd.graphviz"
        "text/vnd.in3d.3dml" "text/vnd.in3d.spot" "text/vnd.sun.j2me.app-descriptor" "text/vnd.wap.wml"
        "text/vnd.wap.wmlscript" "text/vtt" "text/webviewhtml" "text/x-c" "text/x-component" "text/x-fortran"
        "text/x-gherkin" "text/x-handlebars-template" "text/x-hdml" "text/x-html-insertion" "text/x-lua"
        "text/x-markdown" "text/x-ms-contact" "text/x-ms-group" "text/x-ms-iqy" "text/x-ms-rqy" "text/x-nfo"
        "text/x-opml" "text/x-pascal" "text/x-processing" "text/x-rust" "text/x-sass" "text/x-scss"
        "text/x-setext" "text/x-sfv" "text/x-suse-ymp" "text/x-toml" "text/x-uuencode" "text/x-vcard"
        "text/x-yaml"
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_files() {
        for (path, media_type) in [
            (&b"index.html"[..], "text/html; charset=utf-8"),
            (b"a/b.c/STYLE.CSS", "text/css; charset=utf-8"),
            (b"app.js", "text/javascript; charset=utf-8"),
            (b"app.mjs", "application/javascript; charset=utf-8"),
            (b"readme.txt", "text/plain; charset=utf-8"),
            (b"readme.md", "text/markdown; charset=utf-8"),
            (b"data.json", "application/json"),
            (b"picture.svg", "image/svg+xml"),
            (b"feed.xml", "text/xml"),
            (b"picture.png", "image/png"),
            (b"font.woff2", "font/woff2"),
            (b"code.wasm", "application/wasm"),
            (b"a.tar.gz", "application/gzip"),
            (b"", DEFAULT_MEDIA_TYPE),
            (b"Makefile", DEFAULT_MEDIA_TYPE),
            (b"html", DEFAULT_MEDIA_TYPE),
            (b".html", DEFAULT_MEDIA_TYPE),
            (b"a.html/b", DEFAULT_MEDIA_TYPE),
            (b"a.html/.css", DEFAULT_MEDIA_TYPE),
            (b"a.html.", DEFAULT_MEDIA_TYPE),
            (b"a.unheard-of", DEFAULT_MEDIA_TYPE),
            (b"a.\xff", DEFAULT_MEDIA_TYPE),
        ] {
            assert_eq!(content_type(path), media_type, "{}", path.escape_ascii());
        }
    }

    /// A new release of mime_guess may bring text types that the table lacks.
    #[test]
    fn every_text_type_of_a_short_extension_carries_a_charset() {
        let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut path = *b"x.\0\0\0";
        let mut check = |len: usize, at: [u8; 3]| {
            path[2..].copy_from_slice(&at);
            let media_type = content_type(&path[..2 + len]);
            if media_type.starts_with("text/") && !matches!(media_type, "text/xml" | "text/mathml")
            {
                assert!(media_type.ends_with("; charset=utf-8"), "{media_type}");
            }
        };
        for &a in letters {
            check(1, [a, 0, 0]);
            for &b in letters {
                check(2, [a, b, 0]);
                for &c in letters {
                    check(3, [a, b, c]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(path in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert!(content_type(&path).contains('/'));
        }
    }
}
