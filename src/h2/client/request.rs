//! A request on its way out (RFC 9113, section 8.3.1).

use bytes::Bytes;

use crate::h2::hpack::{Indexing, encode_field};

/// A request. Its field block refers to no dynamic table, so that a clone of it is good on any connection and costs
/// nothing: load generators encode once.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) block: Bytes,
    pub(super) body: Bytes,
    pub(super) is_head: bool,
}

impl Request {
    /// A request without content. `fields` are names in lower case and values, without connection-specific ones.
    #[must_use]
    pub fn new(
        method: &str,
        scheme: &str,
        authority: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Self {
        let mut block = Vec::with_capacity(128);
        let pseudo = [
            (":method", method),
            (":scheme", scheme),
            (":authority", authority),
            (":path", path),
        ];
        for (name, value) in pseudo.iter().chain(fields) {
            let indexing = match *name {
                "authorization" | "cookie" => Indexing::Never,
                _ => Indexing::Without,
            };
            encode_field(&mut block, name.as_bytes(), value.as_bytes(), indexing);
        }
        Self {
            block: block.into(),
            body: Bytes::new(),
            is_head: method == "HEAD",
        }
    }

    /// The request with content, whose length its fields say if they are to.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}
