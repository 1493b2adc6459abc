//! Errors (RFC 9113, sections 5.4 and 7): one variant for each violation, split by what it ends.
//!
//! The mapping to the wire is total: [`ConnectionError::code`], [`StreamError::code`]. The debug text of a GOAWAY is
//! the variant's own static text.

/// An error code (RFC 9113, section 7). Codes that are not in the registry are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Graceful shutdown, or a request body that is not needed.
    pub const NO_ERROR: Self = Self(0x0);
    /// Protocol error detected.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// Implementation fault.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// Flow-control limits exceeded.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// Settings not acknowledged.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// Frame received for a closed stream.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// Frame size incorrect.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// Stream not processed.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// Stream cancelled.
    pub const CANCEL: Self = Self(0x8);
    /// Compression state not updated.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// TCP connection error for CONNECT method.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// Processing capacity exceeded.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// Negotiated TLS parameters not acceptable.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// Use HTTP/1.1 for the request.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);

    /// The name in the registry, or "unknown".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x0 => "NO_ERROR",
            0x1 => "PROTOCOL_ERROR",
            0x2 => "INTERNAL_ERROR",
            0x3 => "FLOW_CONTROL_ERROR",
            0x4 => "SETTINGS_TIMEOUT",
            0x5 => "STREAM_CLOSED",
            0x6 => "FRAME_SIZE_ERROR",
            0x7 => "REFUSED_STREAM",
            0x8 => "CANCEL",
            0x9 => "COMPRESSION_ERROR",
            0xa => "CONNECT_ERROR",
            0xb => "ENHANCE_YOUR_CALM",
            0xc => "INADEQUATE_SECURITY",
            0xd => "HTTP_1_1_REQUIRED",
            _ => "unknown",
        }
    }
}

impl std::fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:#x})", self.name(), self.0)
    }
}

/// Declares an error enum whose every variant has its wire code, its text and its documentation in one place.
macro_rules! errors {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $code:ident, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum $name {
            $(#[doc = concat!($text, ": ", stringify!($code), ".")] #[error($text)] $variant,)+
        }

        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> ErrorCode {
                match self { $(Self::$variant => ErrorCode::$code,)+ }
            }

            /// What was violated, in words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

errors! {
    /// A violation that ends the connection (RFC 9113, section 5.4.1).
    ConnectionError {
        BadPreface => PROTOCOL_ERROR, "the connection preface is not that of HTTP/2";
        PrefaceWithoutSettings => PROTOCOL_ERROR, "the preface is not followed by SETTINGS";
        PrefaceTimeout => PROTOCOL_ERROR, "the preface did not arrive in time";
        SettingsTimeout => SETTINGS_TIMEOUT, "SETTINGS were not acknowledged in time";
        IncompleteTimeout => ENHANCE_YOUR_CALM, "a frame or field block was begun and not completed in time";
        KeepaliveTimeout => PROTOCOL_ERROR, "a PING was not answered in time";
        Stalled => ENHANCE_YOUR_CALM, "nothing was read for too long";
        FrameTooLarge => FRAME_SIZE_ERROR, "a frame exceeds SETTINGS_MAX_FRAME_SIZE";
        HeadersTooShort => FRAME_SIZE_ERROR, "HEADERS is too short for its flags";
        DataTooShort => FRAME_SIZE_ERROR, "DATA is too short for its flags";
        RstStreamLength => FRAME_SIZE_ERROR, "RST_STREAM is not 4 bytes long";
        SettingsLength => FRAME_SIZE_ERROR, "SETTINGS is not a multiple of 6 bytes long";
        SettingsAckLength => FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS carries settings";
        PingLength => FRAME_SIZE_ERROR, "PING is not 8 bytes long";
        GoawayLength => FRAME_SIZE_ERROR, "GOAWAY is shorter than 8 bytes";
        WindowUpdateLength => FRAME_SIZE_ERROR, "WINDOW_UPDATE is not 4 bytes long";
        PriorityUpdateLength => FRAME_SIZE_ERROR, "PRIORITY_UPDATE is shorter than 4 bytes";
        DataOnConnection => PROTOCOL_ERROR, "DATA on stream 0";
        HeadersOnConnection => PROTOCOL_ERROR, "HEADERS on stream 0";
        PriorityOnConnection => PROTOCOL_ERROR, "PRIORITY on stream 0";
        RstStreamOnConnection => PROTOCOL_ERROR, "RST_STREAM on stream 0";
        ContinuationOnConnection => PROTOCOL_ERROR, "CONTINUATION on stream 0";
        SettingsOnStream => PROTOCOL_ERROR, "SETTINGS on a stream";
        PingOnStream => PROTOCOL_ERROR, "PING on a stream";
        GoawayOnStream => PROTOCOL_ERROR, "GOAWAY on a stream";
        PriorityUpdateOnStream => PROTOCOL_ERROR, "PRIORITY_UPDATE on a stream";
        PriorityUpdateTarget => PROTOCOL_ERROR, "PRIORITY_UPDATE of a stream that cannot be prioritized";
        TooManyPrioritized => PROTOCOL_ERROR, "PRIORITY_UPDATE of more streams than SETTINGS_MAX_CONCURRENT_STREAMS";
        PushPromise => PROTOCOL_ERROR, "PUSH_PROMISE from a client";
        Padding => PROTOCOL_ERROR, "padding as long as the payload or longer";
        UnexpectedContinuation => PROTOCOL_ERROR, "CONTINUATION without a field block begun";
        ExpectedContinuation => PROTOCOL_ERROR, "a field block was interrupted";
        EvenStreamId => PROTOCOL_ERROR, "a client began a stream with an even identifier";
        StreamIdReused => PROTOCOL_ERROR, "a stream identifier is not larger than those before";
        IdleStream => PROTOCOL_ERROR, "a frame that an idle stream does not allow";
        HeadersOnClosedStream => STREAM_CLOSED, "HEADERS on a closed stream";
        EnablePush => PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH is neither 0 nor 1";
        InitialWindowSize => FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE exceeds 2^31-1";
        MaxFrameSize => PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE is out of range";
        NoRfc7540Priorities => PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1";
        SettingsWindowOverflow => FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE takes a stream's window over 2^31-1";
        ZeroIncrement => PROTOCOL_ERROR, "WINDOW_UPDATE of the connection by 0";
        WindowOverflow => FLOW_CONTROL_ERROR, "WINDOW_UPDATE takes the connection's window over 2^31-1";
        FlowControl => FLOW_CONTROL_ERROR, "DATA exceeds the connection's window";
        Compression => COMPRESSION_ERROR, "a field block could not be decoded";
        FieldBlockTooLarge => ENHANCE_YOUR_CALM, "a field block far exceeds SETTINGS_MAX_HEADER_LIST_SIZE";
        TooManyContinuations => ENHANCE_YOUR_CALM, "too many CONTINUATION frames";
        TooManySettingsInFrame => ENHANCE_YOUR_CALM, "too many settings in one frame";
        TooManyResets => ENHANCE_YOUR_CALM, "too many streams reset or refused";
        TooManyPings => ENHANCE_YOUR_CALM, "too many PING frames";
        TooManySettings => ENHANCE_YOUR_CALM, "too many SETTINGS frames";
        TooManyWindowUpdates => ENHANCE_YOUR_CALM, "too many WINDOW_UPDATE frames";
        TooManyIdleFrames => ENHANCE_YOUR_CALM, "too many frames that carry nothing";
        TooManyUnsent => ENHANCE_YOUR_CALM, "too many answers wait to be read";
        IdlePriorityLength => FRAME_SIZE_ERROR, "PRIORITY of an idle stream is not 5 bytes long";
        IdleSelfDependency => PROTOCOL_ERROR, "an idle stream depends on itself";
        PushDisabled => PROTOCOL_ERROR, "PUSH_PROMISE or SETTINGS_ENABLE_PUSH from a server, and push is disabled";
        PriorityUpdateFromServer => PROTOCOL_ERROR, "PRIORITY_UPDATE from a server";
        GoawayRises => PROTOCOL_ERROR, "GOAWAY with a larger last stream than the one before";
    }
}

errors! {
    /// A violation that ends one stream (RFC 9113, section 5.4.2).
    StreamError {
        PriorityLength => FRAME_SIZE_ERROR, "PRIORITY is not 5 bytes long";
        SelfDependency => PROTOCOL_ERROR, "a stream depends on itself";
        ZeroIncrement => PROTOCOL_ERROR, "WINDOW_UPDATE of a stream by 0";
        WindowOverflow => FLOW_CONTROL_ERROR, "WINDOW_UPDATE takes a stream's window over 2^31-1";
        FlowControl => FLOW_CONTROL_ERROR, "DATA exceeds a stream's window";
        DataOnClosedStream => STREAM_CLOSED, "DATA on a stream that the peer had ended";
        HeadersAfterEnd => STREAM_CLOSED, "HEADERS on a stream that the peer had ended";
        TrailersWithoutEnd => PROTOCOL_ERROR, "trailers without END_STREAM";
        TrailersTooLarge => ENHANCE_YOUR_CALM, "trailers exceed SETTINGS_MAX_HEADER_LIST_SIZE";
        Refused => REFUSED_STREAM, "more streams than SETTINGS_MAX_CONCURRENT_STREAMS";
        FieldName => PROTOCOL_ERROR, "a field name has a character that is not allowed";
        FieldValue => PROTOCOL_ERROR, "a field value has a character that is not allowed";
        ConnectionField => PROTOCOL_ERROR, "a connection-specific field";
        TeField => PROTOCOL_ERROR, "te is other than trailers";
        UnknownPseudoField => PROTOCOL_ERROR, "a pseudo-field that requests do not have";
        RepeatedPseudoField => PROTOCOL_ERROR, "a pseudo-field is repeated";
        MisplacedPseudoField => PROTOCOL_ERROR, "a pseudo-field after other fields";
        PseudoFieldInTrailers => PROTOCOL_ERROR, "a pseudo-field in trailers";
        MissingPseudoField => PROTOCOL_ERROR, "a mandatory pseudo-field is missing";
        Method => PROTOCOL_ERROR, "the method is not a token";
        Scheme => PROTOCOL_ERROR, "the scheme is not one";
        Path => PROTOCOL_ERROR, "the path is neither absolute nor the asterisk of OPTIONS";
        Authority => PROTOCOL_ERROR, "the authority is missing, empty or not one";
        HostMismatch => PROTOCOL_ERROR, "host differs from the authority, or is repeated";
        ConnectPseudoFields => PROTOCOL_ERROR, "CONNECT has a scheme or path, or no authority";
        ContentLength => PROTOCOL_ERROR, "content-length is not a number, or there are two";
        ContentLengthMismatch => PROTOCOL_ERROR, "the content is not as long as content-length says";
        Status => PROTOCOL_ERROR, "status is missing, or is not a status of HTTP/2";
        InformationalEnd => PROTOCOL_ERROR, "an informational response ends the stream";
        DataBeforeResponse => PROTOCOL_ERROR, "DATA before the final response";
        ResponseTooLarge => ENHANCE_YOUR_CALM, "the fields of a response exceed SETTINGS_MAX_HEADER_LIST_SIZE";
    }
}

/// A violation, by what it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Ends the connection.
    Connection(ConnectionError),
    /// Ends the stream.
    Stream(StreamError),
}

impl From<ConnectionError> for Violation {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<StreamError> for Violation {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_has_a_code_of_the_registry_and_a_text() {
        let all = ConnectionError::ALL
            .iter()
            .map(|error| (error.code(), error.text()));
        let all: Vec<_> = all
            .chain(
                StreamError::ALL
                    .iter()
                    .map(|error| (error.code(), error.text())),
            )
            .collect();
        for &(code, text) in &all {
            assert!(
                code != ErrorCode::NO_ERROR && code.name() != "unknown",
                "{text}"
            );
            assert!(!text.is_empty() && text.len() < 128);
            assert_eq!(
                all.iter().filter(|other| other.1 == text).count(),
                1,
                "{text} is said twice"
            );
        }
    }

    #[test]
    fn codes_are_those_of_the_registry() {
        let names = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
            "unknown",
        ];
        for (code, name) in (0..).zip(names) {
            assert_eq!(ErrorCode(code).name(), name);
        }
        assert_eq!(format!("{:?}", ErrorCode::CANCEL), "CANCEL(0x8)");
    }
}
