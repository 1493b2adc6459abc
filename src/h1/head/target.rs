//! The target of a request, and whom it is sent to (RFC 9112, sections 3.2 and 3.3).

use std::ops::Range;

use super::fields::Fields;
use super::request_line::RequestLine;
use super::{Head, Scheme, Span};
use crate::h1::error::ConnectionError;

impl Head {
    /// Takes the target apart (RFC 9112, section 3.2) and finds the authority (section 3.3).
    pub(super) fn take_target(
        &mut self,
        line: RequestLine,
        scheme: Scheme,
        seen: &Fields,
    ) -> Result<(), ConnectionError> {
        match seen.host {
            Some(host) if !is_authority(&self.bytes[host.range()]) => {
                return Err(ConnectionError::Host);
            }
            None if !line.http10 => return Err(ConnectionError::HostMissing),
            _ => {}
        }
        let target = line.target();
        self.scheme = scheme.text();
        self.path = Span::new(target.clone());
        self.authority = seen.host.unwrap_or_default();
        let method = &self.bytes[line.method()];
        match &self.bytes[target.clone()] {
            _ if method == b"CONNECT" => {
                // "authority-form = uri-host ":" port", and none of these is empty.
                let authority = &self.bytes[target];
                let has_port =
                    authority.contains(&b':') && authority.last().is_some_and(u8::is_ascii_digit);
                if !is_authority(authority) || !has_port {
                    return Err(ConnectionError::Target);
                }
                self.scheme = b"";
                self.authority = self.path;
                self.path = Span::default();
                Ok(())
            }
            [b'/', ..] => Ok(()),
            b"*" if method == b"OPTIONS" => Ok(()),
            _ => self.take_absolute(target, method == b"OPTIONS"),
        }
    }

    /// Takes an absolute URI apart: "the origin server MUST ignore the received Host header field (if any) and instead
    /// use the host information of the request-target" (RFC 9112, section 3.2.2).
    #[cold]
    fn take_absolute(
        &mut self,
        target: Range<usize>,
        is_options: bool,
    ) -> Result<(), ConnectionError> {
        let uri = &self.bytes[target.clone()];
        let (scheme, skip) = match uri {
            _ if starts_with(uri, b"http://") => (Scheme::Http, 7),
            _ if starts_with(uri, b"https://") => (Scheme::Https, 8),
            _ => return Err(ConnectionError::Target),
        };
        let after = &uri[skip..];
        let authority_len = after
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .unwrap_or(after.len());
        if !is_authority(&after[..authority_len]) {
            return Err(ConnectionError::Authority);
        }
        let path = target.start + skip + authority_len..target.end;
        self.scheme = scheme.text();
        self.authority = Span::new(target.start + skip..path.start);
        self.path = match self.bytes[path.clone()].first() {
            Some(b'/') => Span::new(path),
            Some(b'#') => return Err(ConnectionError::Target),
            rest => {
                // "If the target URI includes no path, the client MUST send "/"", or "*" for OPTIONS without a query
                // (RFC 9112, sections 3.2.1 and 3.2.4).
                let at = self.bytes.len();
                let first = if is_options && rest.is_none() {
                    b'*'
                } else {
                    b'/'
                };
                self.bytes.push(first);
                self.bytes.extend_from_within(path);
                Span::new(at..self.bytes.len())
            }
        };
        Ok(())
    }
}

fn starts_with(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2) with a host that is not empty (section 4.2.1).
fn is_authority(bytes: &[u8]) -> bool {
    let name_len = bytes.iter().take_while(|&&byte| is_host_byte(byte)).count();
    let port = match bytes {
        [b'[', address @ ..] => after_address(address),
        _ => (name_len > 0).then(|| &bytes[name_len..]),
    };
    match port {
        Some([]) => true,
        Some([b':', digits @ ..]) => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// What follows an address in brackets (RFC 3986, section 3.2.2), given without the first of them.
fn after_address(bytes: &[u8]) -> Option<&[u8]> {
    let is_part = |byte: &u8| is_host_byte(*byte) || *byte == b':';
    let len = bytes.iter().take_while(|byte| is_part(byte)).count();
    bytes[len..].strip_prefix(b"]").filter(|_| len > 0)
}

/// What a registered name has in it: unreserved, percent-encoded, sub-delims (RFC 3986, section 3.2.2).
const fn is_host_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < 256 {
            let byte = at as u8;
            table[at] = byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'-' | b'.'
                        | b'_'
                        | b'~'
                        | b'%'
                        | b'!'
                        | b'$'
                        | b'&'
                        | b'\''
                        | b'('
                        | b')'
                        | b'*'
                        | b'+'
                        | b','
                        | b';'
                        | b'='
                );
            at += 1;
        }
        table
    };
    TABLE[byte as usize]
}
