//! `Accept` (RFC 9110 section 12.5.1), as far as a file server has a choice: of the form of a directory listing,
//! and of whether a page may stand in for what was not found.

use super::quality::{Quality, is_token, members, split_unquoted};

/// The form of a directory listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingType {
    /// `text/html`.
    Html,
    /// `application/json`.
    Json,
}

/// What a request says of media types: a few weights, so that it can be kept while a file is opened.
///
/// Read from the whole value by [`Accept::of`]; or, from the [`Default`] on (no field: nothing is asked for), line by line, in
/// any order, by [`Accept::add_line`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    html: Option<Match>,
    json: Option<Match>,
}

/// How closely a media range names a type: "the most specific reference has precedence" (section 12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    /// `*/*`.
    Any,
    /// `type/*`.
    Type,
    /// `type/subtype` with parameters that what is served does not have. Strictly it is another type, but who
    /// asks for nothing nearer had rather have this one.
    OtherParameters,
    /// `type/subtype`.
    Exact,
}

/// The range that decides for a media type: the most specific one, of equals the one of the lower weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    specificity: Specificity,
    quality: Quality,
}

/// What is preferred is that of the higher weight, then what is named more closely.
type Preference = (Quality, Specificity);

impl Accept {
    /// Reads the value of the field, its lines joined by commas (RFC 9110 section 5.3); `None` where there is no field.
    pub fn of(field: Option<&[u8]>) -> Self {
        let mut read = Self::default();
        if let Some(field) = field {
            read.add_line(field);
        }
        read
    }

    /// Reads one line of the field. Members that break the grammar are ignored.
    pub fn add_line(&mut self, line: &[u8]) {
        for range in members(line).filter_map(MediaRange::parse) {
            for (decides, kind, subtype) in [
                (&mut self.html, "text", "html"),
                (&mut self.json, "application", "json"),
            ] {
                if let Some(specificity) = range.names(kind, subtype) {
                    let quality = range.quality;
                    let found = Match {
                        specificity,
                        quality,
                    };
                    *decides = Some(decides.map_or(found, |known| known.nearer(found)));
                }
            }
        }
    }

    /// The form in which to list a directory: JSON where the request prefers it, else HTML.
    ///
    /// Of equal weights, the type that is named more closely is preferred: `application/json, */*`, which HTTP
    /// libraries send, asks for JSON. Everything else is HTML: what browsers send, `*/*` alone (curl, and wget, which
    /// follows links), no field at all, and a field that refuses both, which section 12.4.1 allows to disregard.
    pub fn listing_type(&self) -> ListingType {
        if self.json.map(Match::preference) > self.html.map(Match::preference)
            && self.json.is_some_and(|json| json.quality.is_acceptable())
        {
            ListingType::Json
        } else {
            ListingType::Html
        }
    }

    /// Whether a page is asked for, so that the one of an application can stand in for a path that leads nowhere:
    /// `text/html` or `text/*` is named, with a weight above 0, as a browser does where the user goes. `*/*` does
    /// not count: so ask scripts, images and `fetch`, which are to be told that a file is missing.
    pub fn accepts_html(&self) -> bool {
        self.html
            .is_some_and(|html| html.specificity > Specificity::Any && html.quality.is_acceptable())
    }
}

impl Match {
    fn nearer(self, other: Self) -> Self {
        match self.specificity.cmp(&other.specificity) {
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Equal => Self {
                quality: self.quality.min(other.quality),
                ..self
            },
        }
    }

    fn preference(self) -> Preference {
        (self.quality, self.specificity)
    }
}

/// `media-range [ weight ]`.
struct MediaRange<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    quality: Quality,
    /// Whether it has parameters other than the weight and `charset=utf-8`, in which all text is served.
    other_parameters: bool,
}

impl<'a> MediaRange<'a> {
    fn parse(member: &'a [u8]) -> Option<Self> {
        let mut parts = split_unquoted(member, b';');
        let essence = parts.next()?;
        let slash = essence.iter().position(|&byte| byte == b'/')?;
        let (kind, subtype) = (&essence[..slash], &essence[slash + 1..]);
        // `*` is a token too, but of a type only as `*/*`.
        if !is_token(kind) || !is_token(subtype) || (kind == b"*" && subtype != b"*") {
            return None;
        }
        let mut range = Self {
            kind,
            subtype,
            quality: Quality::MOST,
            other_parameters: false,
        };
        // `parameters = *( OWS ";" OWS [ parameter ] )`, section 5.6.6: they may be empty. The weight is meant to be
        // the last, but counts wherever it stands (section 12.5.1).
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let equals = parameter.iter().position(|&byte| byte == b'=')?;
            let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
            if !is_token(name) || !(is_token(value) || is_quoted(value)) {
                return None;
            }
            if name.eq_ignore_ascii_case(b"q") {
                range.quality = Quality::parse(value)?;
            } else if !(name.eq_ignore_ascii_case(b"charset") && is_utf_8(value)) {
                range.other_parameters = true;
            }
        }
        Some(range)
    }

    /// How closely this range names a type; `None` where it does not match it.
    fn names(&self, kind: &str, subtype: &str) -> Option<Specificity> {
        let is = |part: &[u8], name: &str| part.eq_ignore_ascii_case(name.as_bytes());
        let matches = match self.specificity() {
            Specificity::Any => true,
            Specificity::Type => is(self.kind, kind),
            Specificity::OtherParameters | Specificity::Exact => {
                is(self.kind, kind) && is(self.subtype, subtype)
            }
        };
        matches.then(|| self.specificity())
    }

    fn specificity(&self) -> Specificity {
        match (self.kind, self.subtype) {
            (b"*", _) => Specificity::Any,
            (_, b"*") => Specificity::Type,
            _ if self.other_parameters => Specificity::OtherParameters,
            _ => Specificity::Exact,
        }
    }
}

/// `quoted-string`, section 5.6.4, of one that was split off whole.
fn is_quoted(value: &[u8]) -> bool {
    let [b'"', inner @ .., b'"'] = value else {
        return false;
    };
    let mut escaped = false;
    for &byte in inner {
        if byte == b'"' && !escaped {
            return false;
        }
        escaped = byte == b'\\' && !escaped;
    }
    !escaped
}

fn is_utf_8(value: &[u8]) -> bool {
    let value = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value);
    value.eq_ignore_ascii_case(b"utf-8")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::ListingType::{Html, Json};
    use super::*;
    use proptest::prelude::*;

    fn parse(lines: &[&[u8]]) -> Accept {
        let mut accept = Accept::default();
        for line in lines {
            accept.add_line(line);
        }
        accept
    }

    const CHROMIUM: &[u8] =
        b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
        image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
    const FIREFOX: &[u8] = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn what_clients_send() {
        for (line, listing, accepts_html) in [
            (CHROMIUM, Html, true),
            (FIREFOX, Html, true),
            // curl, wget, most libraries, and a script or `fetch` in a browser.
            (&b"*/*"[..], Html, false),
            (b"application/json", Json, false),
            // jQuery's getJSON, and axios.
            (
                b"application/json, text/javascript, */*; q=0.01",
                Json,
                false,
            ),
            (b"application/json, text/plain, */*", Json, false),
            // What browsers send for images, style sheets, and older ones for images.
            (
                b"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
                Html,
                false,
            ),
            (b"text/css,*/*;q=0.1", Html, false),
            (b"image/webp,*/*", Html, false),
            (b"text/html, application/json", Html, true),
            (b"application/json, text/html", Html, true),
            (b"application/json;q=0.9, text/html", Html, true),
            (b"application/json, text/html;q=0.9", Json, true),
        ] {
            let accept = parse(&[line]);
            assert_eq!(accept.listing_type(), listing, "{}", line.escape_ascii());
            assert_eq!(
                accept.accepts_html(),
                accepts_html,
                "{}",
                line.escape_ascii()
            );
        }
        let absent = Accept::default();
        assert_eq!(
            (absent.listing_type(), absent.accepts_html()),
            (Html, false)
        );
    }

    #[test]
    fn s12_5_1_the_most_specific_range_decides() {
        for (line, listing, accepts_html) in [
            (&b"text/*, application/json;q=0.9"[..], Html, true),
            (b"text/*;q=0.3, application/json", Json, true),
            (
                b"text/html;q=0.1, text/*, application/json;q=0.5",
                Json,
                true,
            ),
            (b"*/*, text/html;q=0", Json, false),
            (b"*/*, text/html;q=0.5", Json, true),
            (b"*/*;q=0.5, application/json;q=0.4", Html, false),
            (b"application/*", Json, false),
            (b"application/*, */*", Json, false),
            // The example of the section: level 3 is not what is served, so plain text/html counts.
            (
                b"text/*;q=0.3, text/html;q=0.7, text/html;level=3, application/json;q=0.8",
                Json,
                true,
            ),
            (b"text/html;level=1", Html, true),
            (
                b"text/html;charset=UTF-8;q=0.9, application/json;q=0.8",
                Html,
                true,
            ),
            (
                b"text/html;charset=\"utf-8\", application/json;indent=4",
                Html,
                true,
            ),
            (b"application/json;version=1", Json, false),
            (
                b"text/html;q=0.9;level=1, application/json;q=0.8",
                Html,
                true,
            ),
        ] {
            let accept = parse(&[line]);
            assert_eq!(accept.listing_type(), listing, "{}", line.escape_ascii());
            assert_eq!(
                accept.accepts_html(),
                accepts_html,
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn pages_are_asked_for_by_browsers_and_not_by_scripts() {
        for (line, page) in [
            (&b"application/json , TEXT/HTML ; q=0.1"[..], true),
            (b"text/*", true),
            (b"text/*;q=0", false),
            (b"text/html;q=0, text/*", false),
            (b"text/*, text/html;level=1;q=0.000", false),
            (b"text/html;q=0.001", true),
            (b"image/avif,image/webp,*/*;q=0.8", false),
            (b"text/htmlx", false),
            (b"", false),
            (b",;,;q=0", false),
        ] {
            let accept = Accept::of(Some(line));
            assert_eq!(accept.accepts_html(), page, "{}", line.escape_ascii());
        }
        assert!(!Accept::of(None).accepts_html());
    }

    #[test]
    fn s12_4_1_what_refuses_both_is_disregarded() {
        for line in [
            &b"*/*;q=0"[..],
            b"image/png",
            b"text/html;q=0, application/json;q=0",
            b"application/json;q=0",
        ] {
            let accept = parse(&[line]);
            assert_eq!(accept.listing_type(), Html, "{}", line.escape_ascii());
            assert!(!accept.accepts_html(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn broken_members_are_ignored_and_the_others_count() {
        for broken in [
            &b"application/json;q=2"[..],
            b"application/json;q",
            b"application/json;q = 1",
            b"application/json;x=\"",
            b"application/json;x=\"a\"b",
            b"application/json;=1",
            b"application json",
            b"application/",
            b"/json",
            b"*/json",
            b"application/json/x",
            b"*",
            b"json",
        ] {
            let line = [b"text/html;q=0.1, ", broken].concat();
            let accept = parse(&[&line]);
            assert_eq!(
                accept,
                parse(&[b"text/html;q=0.1"]),
                "{}",
                line.escape_ascii()
            );
        }
        let accept = parse(&[b",, APPLICATION/JSON ; ; Q=0.5 ,"]);
        assert_eq!(accept.listing_type(), Json);
        let quoted = parse(&[b"image/png;x=\", text/html, \\\"\", application/json;q=0.1"]);
        assert_eq!(
            (quoted.listing_type(), quoted.accepts_html()),
            (Json, false)
        );
    }

    #[test]
    fn s5_3_several_lines_are_one_list() {
        let accept = parse(&[b"text/html;q=0.5", b"application/json"]);
        assert_eq!(accept.listing_type(), Json);
    }

    fn any_line() -> impl Strategy<Value = Vec<u8>> {
        let name = prop_oneof![
            Just("text/html"),
            Just("application/json"),
            Just("text/*"),
            Just("application/*"),
            Just("*/*"),
            Just("image/png"),
            Just("text/html;level=1"),
        ];
        let member = (name, 0u16..=9).prop_map(|(name, tenths)| match tenths {
            0 => name.to_owned(),
            tenths => format!("{name};q=0.{tenths}"),
        });
        proptest::collection::vec(member, 0..7).prop_map(|members| members.join(",").into_bytes())
    }

    proptest! {
        #[test]
        fn lines_joined_are_the_same_in_any_order(one in any_line(), two in any_line()) {
            let joined = [&one[..], b", ", &two].concat();
            prop_assert_eq!(parse(&[&one, &two]), parse(&[&joined]));
            prop_assert_eq!(parse(&[&one, &two]), parse(&[&two, &one]));
        }

        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b';'), Just(b'/'), Just(b'\\'), Just(b'='), any::<u8>()], 0..40)) {
            let _ = parse(&[&line]).listing_type();
        }
    }
}
