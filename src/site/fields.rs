//! Response fields that rules set (RFC 9110, section 6.3), checked so that none can break the wire or contradict what
//! the server says of the file.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

/// Longest value in bytes. Long content security policies have a few thousand, and clients refuse a field section of
/// more than 16 KiB or so.
const VALUE_BYTES_MAX: usize = 8_192;

/// Fields that the server makes itself, from the file, the request or the connection.
const MADE_BY_SERVER: [&str; 12] = [
    "accept-ranges",
    "allow",
    "content-digest",
    "content-length",
    "content-range",
    "date",
    "etag",
    "last-modified",
    "location",
    "repr-digest",
    "status",
    "vary",
];

/// Fields about one connection, which HTTP/2 forbids (RFC 9113, section 8.2.2) and HTTP/1.1 makes itself.
const OF_CONNECTION: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a field cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The name is no token (RFC 9110, section 5.1).
    #[error("no field name: letters, digits and hyphens, without a colon (RFC 9110, section 5.1)")]
    Name,
    /// A field of the connection.
    #[error("a field about the connection, which cannot be set (RFC 9110, section 7.6.1)")]
    Connection,
    /// A field that the server makes.
    #[error("a field that the server makes by itself, which cannot be set")]
    MadeByServer,
    /// A CORS field.
    #[error("a field that `cors` makes: write for example cors = {{ origins = \"*\" }}")]
    Cors,
    /// A value with a control or a character beyond ASCII, or with white space at an end, or empty.
    #[error(
        "a field value must be visible ASCII with spaces between, and not empty (RFC 9110, section 5.5)"
    )]
    Value,
    /// A value that is too long.
    #[error("a field value of more than 8192 bytes")]
    TooLong,
}

/// On which answers a field is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// On all.
    Every,
    /// On all but listings.
    Policy,
    /// On those that a cache may keep as an answer for the path: successes and redirections, not errors.
    Freshness,
    /// On those that carry the file, whole or in part.
    Representation,
}

/// What an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// The file, whole or in part.
    File,
    /// A listing, which has a security policy of its own.
    Listing,
    /// Neither.
    Nothing,
}

/// The name of a field that may be set, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName {
    name: Box<str>,
    scope: Scope,
}

impl FieldName {
    /// `cache-control` (RFC 9111, section 5.2).
    #[must_use]
    pub fn cache_control() -> Self {
        Self {
            name: "cache-control".into(),
            scope: Scope::Freshness,
        }
    }

    /// `x-content-type-options` (the Fetch standard).
    pub(super) fn content_type_options() -> Self {
        Self {
            name: "x-content-type-options".into(),
            scope: Scope::Every,
        }
    }

    /// Lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl FromStr for FieldName {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let name = text.to_ascii_lowercase();
        if !is_token(name.as_bytes()) {
            return Err(FieldError::Name);
        }
        if OF_CONNECTION.contains(&name.as_str()) {
            return Err(FieldError::Connection);
        }
        if MADE_BY_SERVER.contains(&name.as_str()) {
            return Err(FieldError::MadeByServer);
        }
        if name.starts_with("access-control-") {
            return Err(FieldError::Cors);
        }
        let scope = match name.as_str() {
            "cache-control" | "cdn-cache-control" | "expires" => Scope::Freshness,
            "content-security-policy" => Scope::Policy,
            "content-security-policy-report-only" => Scope::Every,
            _ if name.starts_with("content-") => Scope::Representation,
            _ => Scope::Every,
        };
        Ok(Self {
            name: name.into(),
            scope,
        })
    }
}

/// Whether `bytes` are a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(in_token)
}

/// The value of a field: visible ASCII with spaces and tabs between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue(Box<str>);

impl FieldValue {
    /// `nosniff`.
    pub(super) fn nosniff() -> Self {
        Self("nosniff".into())
    }

    /// As it goes on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for FieldValue {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let allowed = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
        if text.is_empty() || text.trim() != text || !text.bytes().all(allowed) {
            return Err(FieldError::Value);
        }
        if text.len() > VALUE_BYTES_MAX {
            return Err(FieldError::TooLong);
        }
        Ok(Self(text.into()))
    }
}

/// Fields to set, each name once. One that the server would send too is replaced by that of the same name here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(FieldName, FieldValue)>);

impl Fields {
    /// Sets a field, in place of one of the same name.
    ///
    /// Gives the value that was there before.
    pub fn set(&mut self, name: FieldName, value: FieldValue) -> Option<FieldValue> {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => Some(core::mem::replace(before, value)),
            None => {
                self.0.push((name, value));
                None
            }
        }
    }

    /// Sets all the fields of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.set(name.clone(), value.clone());
        }
    }

    /// The value for a name in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(known, _)| known.as_str() == name)?;
        Some(value.as_bytes())
    }

    /// The fields for an answer with this status, names in lower case.
    ///
    /// Those that describe what is sent (`content-type` and the other `content-` fields, but not the security policy)
    /// go with the file; `cache-control`, `cdn-cache-control` and `expires` with any status below 400, so that an
    /// error is not kept for as long as the file would be; the security policy with all that is no listing; all others
    /// with everything.
    pub fn for_answer(&self, status: u16, carries: Carries) -> impl Iterator<Item = (&str, &[u8])> {
        let sent = move |scope| match scope {
            Scope::Every => true,
            Scope::Freshness => status < 400,
            Scope::Representation => carries == Carries::File,
            Scope::Policy => carries != Carries::Listing,
        };
        self.0
            .iter()
            .filter(move |(name, _)| sent(name.scope))
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(name, value)| (&name.name, &value.0));
        f.debug_map().entries(pairs).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.set(name.parse().unwrap(), value.parse().unwrap());
        }
        fields
    }

    #[test]
    fn names_are_in_lower_case_and_some_are_refused() {
        let name: FieldName = "X-Frame-Options".parse().unwrap();
        assert_eq!(name.as_str(), "x-frame-options");
        for (text, error) in [
            ("", FieldError::Name),
            (":status", FieldError::Name),
            ("a b", FieldError::Name),
            ("a:", FieldError::Name),
            ("\u{e4}", FieldError::Name),
            ("Connection", FieldError::Connection),
            ("transfer-encoding", FieldError::Connection),
            ("Content-Length", FieldError::MadeByServer),
            ("etag", FieldError::MadeByServer),
            ("vary", FieldError::MadeByServer),
            ("Access-Control-Allow-Origin", FieldError::Cors),
        ] {
            assert_eq!(text.parse::<FieldName>(), Err(error), "{text}");
        }
    }

    #[test]
    fn values_cannot_break_the_wire() {
        assert!("max-age=60,\tpublic".parse::<FieldValue>().is_ok());
        for text in ["", " a", "a ", "a\r\nb: c", "a\0", "a\x7f", "\u{e4}"] {
            assert_eq!(
                text.parse::<FieldValue>(),
                Err(FieldError::Value),
                "{text:?}"
            );
        }
        let long = "a".repeat(VALUE_BYTES_MAX + 1);
        assert_eq!(long.parse::<FieldValue>(), Err(FieldError::TooLong));
    }

    #[test]
    fn merging_replaces_by_name() {
        let mut both = fields(&[("a", "1"), ("b", "2")]);
        both.merge(&fields(&[("B", "3"), ("c", "4")]));
        assert_eq!(both, fields(&[("a", "1"), ("b", "3"), ("c", "4")]));
        assert_eq!(both.get("b"), Some(&b"3"[..]));
        assert_eq!(both.get("B"), None);
    }

    #[test]
    fn errors_are_not_given_the_lifetime_or_the_type_of_the_file() {
        let fields = fields(&[
            ("cache-control", "max-age=31536000"),
            ("content-type", "text/plain"),
            ("content-disposition", "attachment"),
            ("content-security-policy", "default-src 'none'"),
            ("x-robots-tag", "none"),
        ]);
        let names = |status, carries| -> Vec<String> {
            let sent = fields.for_answer(status, carries);
            sent.map(|(name, _)| name.to_owned()).collect()
        };
        assert_eq!(names(200, Carries::File).len(), 5);
        assert_eq!(names(206, Carries::File).len(), 5);
        let of_listing = ["cache-control", "x-robots-tag"];
        assert_eq!(names(200, Carries::Listing), of_listing);
        let names = |status| names(status, Carries::Nothing);
        let no_body = ["cache-control", "content-security-policy", "x-robots-tag"];
        assert_eq!(names(304), no_body);
        assert_eq!(names(301), no_body);
        assert_eq!(names(404), no_body[1..]);
        assert_eq!(names(416), no_body[1..]);
        assert_eq!(names(500), no_body[1..]);
    }
}
