//! Request methods (RFC 9110 section 9), as far as a file server tells them apart.

/// The method of a request. Method tokens are case-sensitive (section 9.1), so `get` is [`Method::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET, section 9.3.1.
    Get,
    /// HEAD, section 9.3.2: as GET, without the content.
    Head,
    /// OPTIONS, section 9.3.7: the only method whose target may be `*`.
    Options,
    /// Any other token, known or not: answered with 405 and [`Method::ALLOW`].
    Other,
}

impl Method {
    /// The value of `Allow` that a 405 must carry (sections 10.2.1 and 15.5.6).
    pub const ALLOW: &'static str = "GET, HEAD, OPTIONS";

    /// The method that a token (the value of `:method`) names. Never fails.
    pub fn parse(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }

    /// Whether the method retrieves a representation.
    pub fn is_retrieval(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_case_sensitive_and_whole() {
        for (token, method) in [
            (&b"GET"[..], Method::Get),
            (b"HEAD", Method::Head),
            (b"OPTIONS", Method::Options),
            (b"get", Method::Other),
            (b"GET ", Method::Other),
            (b"GETS", Method::Other),
            (b"", Method::Other),
            (b"POST", Method::Other),
        ] {
            assert_eq!(Method::parse(token), method, "{}", token.escape_ascii());
        }
    }

    #[test]
    fn allow_lists_exactly_the_methods_that_are_served() {
        for token in Method::ALLOW.split(", ") {
            assert_ne!(Method::parse(token.as_bytes()), Method::Other);
        }
        assert!(!Method::Options.is_retrieval() && !Method::Other.is_retrieval());
    }
}
