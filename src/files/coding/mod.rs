//! Content codings that the server makes itself: of which files, how, and what is kept of it.
//!
//! 1. [`worth_coding`] says by type and size whether to look at a file at all;
//! 2. [`CodedCache::get`] knows what came of it before, also that nothing did;
//! 3. else [`compress`] runs on a thread that may be kept busy, never on the shard's loop, and
//!    [`CodedCache::insert`] keeps what it made.
//!
//! A file that lies beside the asked one coded already is always better than this, and then nothing is made here.

mod cache;
mod compress;

pub use cache::{Coded, CodedCache, MAX_CODED, MAX_CODED_BYTES};
pub use compress::{ENCODER, MADE_HERE, compress};

/// Smallest file that is coded, in bytes: what is shorter leaves in one packet either way. The default of Caddy's
/// `minimum_length`.
pub const MIN_CODED_FILE_BYTES: u64 = 512;

/// Largest file that is coded: it is read whole, and takes a thread up to 30 ms ([`compress`]). Larger ones are to be
/// coded beforehand.
pub const MAX_CODED_FILE_BYTES: u64 = 1 << 20;

/// Types beside `text/*`, `*+json` and `*+xml` whose files get much smaller. These are what the configurations of
/// h5bp/server-configs-nginx (`compression.conf`) and of Caddy (`encode`, after Cloudflare's list) agree on, and
/// the text formats without a `text/` type that [`content_type`](crate::http::content_type) knows. What is
/// compressed in itself (woff and woff2, most images, audio, video, archives) is not among them.
const COMPRESSIBLE: [&str; 24] = [
    "application/javascript",
    "application/json",
    "application/pgp-signature",
    "application/postscript",
    "application/rtf",
    "application/sql",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-perl",
    "application/x-sh",
    "application/x-sql",
    "application/x-subrip",
    "application/x-tex",
    "application/x-x509-ca-cert",
    "application/xml",
    "application/xml-dtd",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Whether a file is worth coding here, whose type [is one for it](is_compressible) or is not, with its length in bytes.
#[must_use]
pub fn worth_coding(compressible: bool, len: u64) -> bool {
    compressible && (MIN_CODED_FILE_BYTES..=MAX_CODED_FILE_BYTES).contains(&len)
}

/// Whether files of this `Content-Type`, whatever its case and parameters, get much smaller by coding. Types have one of
/// two suffixes for their syntax (RFC 6839).
#[must_use]
pub fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let starts_with = |prefix: &str| {
        let start = essence.as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let ends_with = |suffix: &str| {
        let at = essence.len().checked_sub(suffix.len());
        let end = at.and_then(|at| essence.as_bytes().get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
    };
    starts_with("text/")
        || ends_with("+json")
        || ends_with("+xml")
        || COMPRESSIBLE
            .iter()
            .any(|known| essence.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::content_type;
    use proptest::prelude::*;

    #[test]
    fn by_the_name_of_a_file() {
        let coded = "a.html a.css a.js a.mjs a.json a.svg a.xml a.txt a.md a.wasm a.ttf a.otf a.eot a.webmanifest a.map \
            a.rss a.atom a.xhtml a.csv a.ics a.ico a.bmp a.geojson a.rtf a.sh a.vtt a.srt a.mpd a.m3u8 \
            a.yaml a.diff a.vcf";
        for name in coded.split(' ') {
            let media_type = content_type(name.as_bytes());
            assert!(is_compressible(media_type), "{name}: {media_type}");
        }
        let not_coded = "a.png a.jpg a.gif a.webp a.avif a.woff a.woff2 a.mp4 a.webm a.mp3 a.ogg a.zip a.gz a.tgz a.br \
            a.zst a.xz a.7z a.jar a.epub a.pdf a.docx a.iso a.bin a a.deb a.rpm a.apk a.ts a.m4s";
        for name in not_coded.split(' ') {
            let media_type = content_type(name.as_bytes());
            assert!(!is_compressible(media_type), "{name}: {media_type}");
        }
    }

    #[test]
    fn by_the_type_as_rules_may_give_it() {
        for media_type in [
            "text/html",
            "Text/HTML;charset=utf-8",
            "APPLICATION/JSON ; charset=utf-8",
            "application/vnd.api+JSON",
            "model/gltf+json",
            "image/SVG+xml",
        ] {
            assert!(is_compressible(media_type), "{media_type}");
        }
        for media_type in [
            "",
            ";",
            "text",
            "json",
            "+jso",
            "image/jpeg;x=text/html",
            "é+jsoé",
        ] {
            assert!(!is_compressible(media_type), "{media_type}");
        }
    }

    #[test]
    fn by_the_size() {
        for (len, worth) in [
            (0, false),
            (MIN_CODED_FILE_BYTES - 1, false),
            (MIN_CODED_FILE_BYTES, true),
            (MAX_CODED_FILE_BYTES, true),
            (MAX_CODED_FILE_BYTES + 1, false),
            (u64::MAX, false),
        ] {
            assert_eq!(worth_coding(true, len), worth, "{len}");
            assert!(!worth_coding(false, len));
        }
    }

    proptest! {
        #[test]
        fn no_type_panics(media_type in "\\PC{0,20}") {
            let _ = is_compressible(&media_type);
        }
    }
}
