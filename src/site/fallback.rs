//! When the fallback of a single-page application is given instead of 404.

/// Whether a client asks for a page: its Accept names `text/html`, or `text/*`, with a weight above 0 (RFC 9110, section
/// 12.5.1). `*/*` alone does not count: so ask scripts, images and `fetch`, which are to be told that a file is missing
/// rather than given a page in its place.
///
/// `accept` is the field's value; of several lines each may be asked about.
#[must_use]
pub fn accepts_html(accept: &[u8]) -> bool {
    let mut any_text = false;
    for element in accept.split(|&byte| byte == b',') {
        let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let range = parts.next().unwrap_or_default();
        let wanted = !parts.any(is_weight_zero);
        if range.eq_ignore_ascii_case(b"text/html") {
            return wanted;
        }
        any_text |= wanted && range.eq_ignore_ascii_case(b"text/*");
    }
    any_text
}

/// Whether a parameter is a weight of 0 (RFC 9110, section 12.4.2).
fn is_weight_zero(parameter: &[u8]) -> bool {
    let [b'q' | b'Q', b'=', weight @ ..] = parameter else {
        return false;
    };
    !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_ask_for_pages_and_scripts_do_not() {
        for (accept, page) in [
            (
                &b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"[..],
                true,
            ),
            (b"text/html", true),
            (b"application/json , TEXT/HTML ; q=0.1", true),
            (b"text/*", true),
            (b"text/*;q=0", false),
            (b"text/html;q=0, text/*", false),
            (b"text/*, text/html;level=1;q=0.000", false),
            (b"text/html;q=0.001", true),
            (b"*/*", false),
            (b"image/avif,image/webp,*/*;q=0.8", false),
            (b"application/json", false),
            (b"text/htmlx", false),
            (b"", false),
            (b",;,;q=0", false),
            (b"text/html;q", true),
        ] {
            assert_eq!(accepts_html(accept), page, "{}", accept.escape_ascii());
        }
    }
}
