//! The media type of a file by its name (RFC 9110 section 8.3).

/// Sent where the name tells nothing.
pub const DEFAULT_MEDIA_TYPE: &str = "application/octet-stream";

/// Extensions that mime_guess 2.0 does not know, or not by the type that their specifications and browsers want. That
/// matters since `X-Content-Type-Options: nosniff` keeps browsers from looking for themselves.
const CORRECTED: [(&str, &str); 20] = [
    // RFC 9239 section 6 has one type for all JavaScript, and names `mjs`; `cjs` is Node's.
    ("cjs", "text/javascript"),
    ("mjs", "text/javascript"),
    // Source maps, by ECMA-426.
    ("map", "application/json"),
    // Fonts, by RFC 8081.
    ("otf", "font/otf"),
    ("ttc", "font/collection"),
    ("woff", "font/woff"),
    // What HLS and DASH are made of (RFC 8216 sections 3 and 10, RFC 3555, RFC 4337, ISO 23009-1 annex C).
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4s", "video/iso.segment"),
    ("ts", "video/mp2t"),
    // Compressed files, by RFC 6713 and RFC 8878. They are files of their own with no content coding: whoever asks for
    // an archive wants it as it is. Brotli has no type.
    ("tgz", "application/gzip"),
    ("zst", "application/zstd"),
    // Packages, as IANA and shared-mime-info have them.
    ("deb", "application/vnd.debian.binary-package"),
    ("rpm", "application/x-rpm"),
    // RFC 6350.
    ("vcf", "text/vcard"),
    // By IANA's registry.
    ("usdz", "model/vnd.usdz+zip"),
    ("wgsl", "text/wgsl"),
    // Text that browsers then show instead of saving it.
    ("diff", "text/x-diff"),
    ("patch", "text/x-diff"),
    ("rst", "text/x-rst"),
];

/// The value of `Content-Type` for a file of this path or name, by its extension, whatever its case.
///
/// Text types carry `charset=utf-8`. JSON takes no such parameter (RFC 8259 section 11), and XML says its encoding
/// itself, which a parameter would override (RFC 7303 section 3), so `text/xml` and SVG go without.
pub fn content_type(path: &[u8]) -> &'static str {
    let media_type = extension(path)
        .and_then(|extension| {
            let corrected = CORRECTED
                .iter()
                .find(|(known, _)| extension.eq_ignore_ascii_case(known));
            match corrected {
                Some((_, media_type)) => Some(*media_type),
                None => mime_guess::from_ext(extension).first_raw(),
            }
        })
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
    // The common ones first; the rest is what mime_guess knows beneath text/, and what is corrected.
    charset_utf_8! { media_type;
        "text/html" "text/css" "text/javascript" "text/plain" "application/javascript" "text/markdown"
        "text/csv"
        "text/cache-manifest" "text/calendar" "text/coffeescript" "text/dlm" "text/gemini" "text/h323" "text/iuls"
        "text/jade" "text/less" "text/n3" "text/prs.lines.tag" "text/richtext" "text/scriptlet" "text/sgml"
        "text/shex" "text/slim" "text/stylus" "text/tab-separated-values" "text/turtle" "text/uri-list"
        "text/vbscript" "text/vcard" "text/vnd.curl" "text/vnd.curl.dcurl" "text/vnd.curl.mcurl"
        "text/vnd.curl.scurl" "text/vnd.dvb.subtitle" "text/vnd.fly" "text/vnd.fmi.flexstor" "text/vnd.graphviz"
        "text/vnd.in3d.3dml" "text/vnd.in3d.spot" "text/vnd.sun.j2me.app-descriptor" "text/vnd.wap.wml"
        "text/vnd.wap.wmlscript" "text/vtt" "text/webviewhtml" "text/wgsl" "text/x-c" "text/x-component" "text/x-diff" "text/x-fortran"
        "text/x-gherkin" "text/x-handlebars-template" "text/x-hdml" "text/x-html-insertion" "text/x-lua"
        "text/x-markdown" "text/x-ms-contact" "text/x-ms-group" "text/x-ms-iqy" "text/x-ms-rqy" "text/x-nfo"
        "text/x-opml" "text/x-pascal" "text/x-processing" "text/x-rst" "text/x-rust" "text/x-sass" "text/x-scss"
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
            (b"app.mjs", "text/javascript; charset=utf-8"),
            (b"app.CJS", "text/javascript; charset=utf-8"),
            (b"app.min.js.map", "application/json"),
            (b"app.webmanifest", "application/manifest+json"),
            (b"readme.txt", "text/plain; charset=utf-8"),
            (b"readme.md", "text/markdown; charset=utf-8"),
            (b"README.MD", "text/markdown; charset=utf-8"),
            (b"data.json", "application/json"),
            (b"data.csv", "text/csv; charset=utf-8"),
            (b"page.xhtml", "application/xhtml+xml"),
            (b"calendar.ics", "text/calendar; charset=utf-8"),
            (b"card.vcf", "text/vcard; charset=utf-8"),
            (b"subtitles.vtt", "text/vtt; charset=utf-8"),
            (b"0001-fix.patch", "text/x-diff; charset=utf-8"),
            (b"shader.wgsl", "text/wgsl; charset=utf-8"),
            (b"picture.svg", "image/svg+xml"),
            (b"feed.xml", "text/xml"),
            (b"picture.png", "image/png"),
            (b"PICTURE.JPG", "image/jpeg"),
            (b"picture.jpeg", "image/jpeg"),
            (b"picture.webp", "image/webp"),
            (b"picture.avif", "image/avif"),
            (b"picture.gif", "image/gif"),
            (b"favicon.ico", "image/x-icon"),
            (b"font.woff", "font/woff"),
            (b"font.woff2", "font/woff2"),
            (b"font.ttf", "font/ttf"),
            (b"font.otf", "font/otf"),
            (b"font.eot", "application/vnd.ms-fontobject"),
            (b"film.mp4", "video/mp4"),
            (b"film.webm", "video/webm"),
            (b"song.mp3", "audio/mpeg"),
            (b"song.m4a", "audio/mp4"),
            (b"song.flac", "audio/flac"),
            (b"list.m3u8", "application/vnd.apple.mpegurl"),
            (b"segment.ts", "video/mp2t"),
            (b"segment.m4s", "video/iso.segment"),
            (b"book.pdf", "application/pdf"),
            (b"book.epub", "application/epub+zip"),
            (b"code.wasm", "application/wasm"),
            // Coded files asked for by their own names: of their own type, not of what is in them.
            (b"a.tar.gz", "application/gzip"),
            (b"a.TGZ", "application/gzip"),
            (b"index.html.gz", "application/gzip"),
            (b"index.html.zst", "application/zstd"),
            (b"index.html.br", DEFAULT_MEDIA_TYPE),
            (b"a.zip", "application/zip"),
            (b"a.deb", "application/vnd.debian.binary-package"),
            (b"a.rpm", "application/x-rpm"),
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
        for (extension, _) in CORRECTED {
            let media_type = content_type(format!("x.{extension}").as_bytes());
            assert_eq!(
                media_type.starts_with("text/"),
                media_type.ends_with("; charset=utf-8")
            );
        }
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
