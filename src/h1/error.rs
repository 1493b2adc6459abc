//! Errors: one variant for each violation, with the status that answers it and a static text that says what was wrong.
//!
//! Every error ends the connection: after any of them it is not certain any more where the next request begins.

use ::http::StatusCode;

/// Declares the errors, each with its answer, its text and its documentation in one place.
macro_rules! errors {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $status:expr, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum $name {
            $(#[doc = concat!($text, ": ", stringify!($status), ".")] #[error($text)] $variant,)+
        }

        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The status that answers it; `None` where nothing is left to be said.
            #[must_use]
            pub const fn status(self) -> Option<StatusCode> {
                match self { $(Self::$variant => $status,)+ }
            }

            /// What was violated, in words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

const BAD_REQUEST: Option<StatusCode> = Some(StatusCode::BAD_REQUEST);
const REQUEST_TIMEOUT: Option<StatusCode> = Some(StatusCode::REQUEST_TIMEOUT);
const URI_TOO_LONG: Option<StatusCode> = Some(StatusCode::URI_TOO_LONG);
const EXPECTATION_FAILED: Option<StatusCode> = Some(StatusCode::EXPECTATION_FAILED);
const FIELDS_TOO_LARGE: Option<StatusCode> = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
const NOT_IMPLEMENTED: Option<StatusCode> = Some(StatusCode::NOT_IMPLEMENTED);
const VERSION_NOT_SUPPORTED: Option<StatusCode> = Some(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
const SILENCE: Option<StatusCode> = None;

errors! {
    /// A violation, or what else ended the connection before its time.
    ConnectionError {
        TlsOnCleartext => BAD_REQUEST, "a TLS handshake where HTTP without TLS is spoken";
        CleartextOnTls => BAD_REQUEST, "HTTP without TLS where TLS is spoken: ask with https";
        NotHttp => BAD_REQUEST, "the request does not begin with a method";
        BareLf => BAD_REQUEST, "a line ends in LF without CR";
        BareCr => BAD_REQUEST, "a CR that is not followed by LF";
        RequestLine => BAD_REQUEST, "the request line is not a method, a target and a version with one space between";
        Http09 => BAD_REQUEST, "the request line has no version, as in HTTP/0.9";
        Method => BAD_REQUEST, "the method is not a token";
        MethodTooLong => NOT_IMPLEMENTED, "the method is too long";
        RequestLineTooLong => URI_TOO_LONG, "the request line is too long";
        Target => BAD_REQUEST, "the target is neither a path, nor an http or https URI, nor the asterisk of OPTIONS";
        Version => BAD_REQUEST, "the version is not one of HTTP";
        VersionNotSupported => VERSION_NOT_SUPPORTED, "only versions 1.0 and 1.1 of HTTP are served this way";
        FieldName => BAD_REQUEST, "a field name is empty or has a character that is not allowed";
        FieldValue => BAD_REQUEST, "a field value has a character that is not allowed";
        LineFolding => BAD_REQUEST, "a line of fields begins with white space";
        SpaceBeforeColon => BAD_REQUEST, "white space between a field name and its colon";
        HeadTooLarge => FIELDS_TOO_LARGE, "the header section is too large";
        TooManyFields => FIELDS_TOO_LARGE, "the header section has too many fields";
        HostMissing => BAD_REQUEST, "host is missing";
        HostRepeated => BAD_REQUEST, "host is repeated";
        Host => BAD_REQUEST, "host is not a host with an optional port";
        Authority => BAD_REQUEST, "the authority of the target is not a host with an optional port";
        ContentLength => BAD_REQUEST, "content-length is not a number";
        ContentLengthRepeated => BAD_REQUEST, "content-length is repeated";
        LengthAndEncoding => BAD_REQUEST, "both content-length and transfer-encoding";
        EncodingInHttp10 => BAD_REQUEST, "transfer-encoding in HTTP/1.0";
        EncodingNotChunked => BAD_REQUEST, "transfer-encoding does not end in one chunked";
        EncodingUnknown => NOT_IMPLEMENTED, "transfer-encoding is other than chunked alone";
        Expectation => EXPECTATION_FAILED, "expect is other than 100-continue";
        ChunkSize => BAD_REQUEST, "the size of a chunk is not a hexadecimal number";
        ChunkExtension => BAD_REQUEST, "the extensions of a chunk have a character that is not allowed";
        ChunkLineTooLong => BAD_REQUEST, "the extensions of a chunk are too long";
        ChunkEnd => BAD_REQUEST, "a chunk is longer than its size";
        Trailer => BAD_REQUEST, "a trailer is not a field";
        TrailersTooLarge => BAD_REQUEST, "the trailer section is too large";
        HeadTimeout => REQUEST_TIMEOUT, "the request did not arrive in time";
        ContentTimeout => REQUEST_TIMEOUT, "the content of the request did not arrive in time";
        TooManyPipelined => SILENCE, "too many requests wait for an answer";
        NoRequest => SILENCE, "no request came";
        Stalled => SILENCE, "nothing was read for too long";
        BodyFailed => SILENCE, "the content of a response could not be supplied";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_has_a_text_of_its_own_and_a_status_with_a_reason() {
        for error in ConnectionError::ALL {
            let text = error.text();
            assert!(!text.is_empty() && text.len() < 128 && text.is_ascii());
            let same = ConnectionError::ALL.iter().filter(|e| e.text() == text);
            assert_eq!(same.count(), 1, "{text} is said twice");
            if let Some(status) = error.status() {
                assert!(status.canonical_reason().is_some() && status.as_u16() >= 400);
            }
        }
    }
}
