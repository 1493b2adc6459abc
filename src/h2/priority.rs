//! Priorities (RFC 9218): urgency and incremental, from the `priority` field and from PRIORITY_UPDATE.

/// Urgencies, from 0, the most urgent, to 7.
pub const URGENCIES: usize = 8;

/// The priority of a response (RFC 9218, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// 0, the most urgent, to 7; 3 is the default.
    pub urgency: u8,
    /// Whether a part of the response is of use already: such responses share the wire.
    pub incremental: bool,
}

impl Default for Priority {
    /// Section 4.1 and 4.2.
    fn default() -> Self {
        Self {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// Parses a priority field value: a dictionary of structured fields (RFC 9651, section 3.2) in which `u` and `i`
    /// count and anything else is ignored. Out of range or of another type they keep their default (RFC 9218,
    /// section 4); a value that is no dictionary at all is ignored as a whole.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        Self::default().updated(value)
    }

    /// As [`Priority::parse`], for a further line of the same field: what it does not say stays as it is.
    #[must_use]
    pub fn updated(self, value: &[u8]) -> Self {
        self.try_updated(value).unwrap_or(self)
    }

    fn try_updated(self, value: &[u8]) -> Option<Self> {
        let mut priority = self;
        let mut rest = value.trim_ascii();
        while !rest.is_empty() {
            let key = take_key(&mut rest)?;
            let mut member = Item::Boolean(true);
            if let Some(after) = rest.strip_prefix(b"=") {
                rest = after;
                member = take_item(&mut rest)?;
            }
            take_parameters(&mut rest)?;
            match (key, member) {
                (b"u", Item::Integer(urgency @ 0..=7)) => priority.urgency = urgency as u8,
                (b"u", _) => priority.urgency = Self::default().urgency,
                (b"i", Item::Boolean(incremental)) => priority.incremental = incremental,
                (b"i", _) => priority.incremental = false,
                _ => {}
            }
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(b",")?.trim_ascii_start();
            if rest.is_empty() {
                return None;
            }
        }
        Some(priority)
    }
}

/// An item of structured fields, as far as it matters here.
#[derive(Clone, Copy)]
enum Item {
    Boolean(bool),
    Integer(i64),
    Other,
}

/// Takes a key (RFC 9651, section 4.2.3.3).
fn take_key<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if !matches!(rest.first()?, b'a'..=b'z' | b'*') {
        return None;
    }
    let key = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    Some(take_while(rest, key))
}

fn take_while<'a>(rest: &mut &'a [u8], wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
    let len = rest
        .iter()
        .position(|byte| !wanted(byte))
        .unwrap_or(rest.len());
    let (taken, after) = rest.split_at(len);
    *rest = after;
    taken
}

/// Takes an item or an inner list, without its parameters.
fn take_item(rest: &mut &[u8]) -> Option<Item> {
    let (&first, after) = rest.split_first()?;
    match first {
        b'?' => {
            let (&digit, after) = after.split_first()?;
            *rest = after;
            matches!(digit, b'0' | b'1').then_some(Item::Boolean(digit == b'1'))
        }
        b'-' | b'0'..=b'9' => {
            let number = take_while(rest, |byte| matches!(byte, b'-' | b'.' | b'0'..=b'9'));
            // At most 15 digits and a sign (RFC 9651, section 3.3.1); a decimal is no urgency.
            if number.len() > 17 {
                return None;
            }
            if number.contains(&b'.') {
                return Some(Item::Other);
            }
            Some(Item::Integer(
                std::str::from_utf8(number).ok()?.parse().ok()?,
            ))
        }
        b'"' => {
            let mut escaped = false;
            let end = after.iter().position(|&byte| {
                let end = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                end
            })?;
            *rest = &after[end + 1..];
            Some(Item::Other)
        }
        b':' => {
            let end = after.iter().position(|&byte| byte == b':')?;
            *rest = &after[end + 1..];
            Some(Item::Other)
        }
        b'(' => {
            let end = after.iter().position(|&byte| byte == b')')?;
            *rest = &after[end + 1..];
            Some(Item::Other)
        }
        b'a'..=b'z' | b'A'..=b'Z' | b'*' => {
            take_while(rest, |byte| {
                byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'"' | b'(' | b')')
            });
            Some(Item::Other)
        }
        _ => None,
    }
}

/// Takes the parameters of an item, which priorities do not have.
fn take_parameters(rest: &mut &[u8]) -> Option<()> {
    while let Some(after) = rest.strip_prefix(b";") {
        *rest = after.trim_ascii_start();
        take_key(rest)?;
        if let Some(after) = rest.strip_prefix(b"=") {
            *rest = after;
            take_item(rest)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn field_values() {
        let cases: &[(&str, u8, bool)] = &[
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7, i", 7, true),
            ("i, u=5", 5, true),
            (" u=1 ,\ti=?1 ", 1, true),
            ("i=?0", 3, false),
            ("u=2;x=1, i;y", 2, true),
            ("u=8, i", 3, true),
            ("u=-1", 3, false),
            ("u=1.0, i", 3, true),
            ("u=\"1\", i=1", 3, false),
            ("u=1, u=4", 4, false),
            ("u=1, foo=\"a, u=6\", i", 1, true),
            ("u=1, foo=(a b;c=1), bar=:AAA=:, i", 1, true),
            ("u", 3, false),
            ("u=", 3, false),
            ("u=1,", 3, false),
            ("u=1 i", 3, false),
            ("U=1", 3, false),
            ("u=1, i=?2", 3, false),
            ("u=9999999999999999999", 3, false),
        ];
        for &(value, urgency, incremental) in cases {
            assert_eq!(
                Priority::parse(value.as_bytes()),
                Priority {
                    urgency,
                    incremental
                },
                "{value:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_priority(value: Vec<u8>) {
            prop_assert!(usize::from(Priority::parse(&value).urgency) < URGENCIES);
        }
    }
}
