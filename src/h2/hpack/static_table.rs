//! The static table (RFC 7541, Appendix A).

/// Number of static entries; indices run from 1 to this (RFC 7541, section 2.3.3).
pub(super) const LEN: usize = 61;

/// Name and value by index minus one.
static ENTRIES: [(&[u8], &[u8]); LEN] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// The lowest index whose name is that of `index`: entries of one name stand together.
pub(super) const fn first_of_name(index: u8) -> u8 {
    match index {
        3 => 2,
        5 => 4,
        7 => 6,
        9..=14 => 8,
        _ => index,
    }
}

/// How many entries the name has whose lowest index is `first`.
const fn entries_of_name(first: u8) -> u8 {
    match first {
        2 | 4 | 6 => 2,
        8 => 7,
        _ => 1,
    }
}

/// The entry at `index`, which is 1 to [`LEN`].
#[inline]
pub(super) fn get(index: usize) -> Option<(&'static [u8], &'static [u8])> {
    ENTRIES.get(index.wrapping_sub(1)).copied()
}

/// What the table has for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Name and value, at this index.
    Field(u8),
    /// Only the name, at this (lowest) index.
    Name(u8),
    /// Nothing.
    None,
}

/// A hash under which no two names of the table collide (checked when [`BY_NAME`] is built).
#[inline]
const fn hash(len: usize, first: u8, last: u8) -> usize {
    (len + first as usize * 37 + last as usize * 17) % 256
}

/// Lowest index of the name by hash; 0 where there is none.
static BY_NAME: [u8; 256] = {
    let mut by_name = [0; 256];
    let mut i = 0;
    while i < LEN {
        let (name, index) = (ENTRIES[i].0, i as u8 + 1);
        if first_of_name(index) == index {
            let slot = hash(name.len(), name[0], name[name.len() - 1]);
            assert!(by_name[slot] == 0);
            by_name[slot] = index;
        }
        i += 1;
    }
    by_name
};

/// Looks a field up.
#[inline]
pub(super) fn find(name: &[u8], value: &[u8]) -> Found {
    let (Some(&a), Some(&z)) = (name.first(), name.last()) else {
        return Found::None;
    };
    let first = BY_NAME[hash(name.len(), a, z)];
    if first == 0 || ENTRIES[usize::from(first) - 1].0 != name {
        return Found::None;
    }
    (first..first + entries_of_name(first))
        .find(|&index| ENTRIES[usize::from(index) - 1].1 == value)
        .map_or(Found::Name(first), Found::Field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_at_its_index() {
        for index in 1..=LEN as u8 {
            let (name, value) = ENTRIES[usize::from(index) - 1];
            assert_eq!(find(name, value), Found::Field(index));
            let first = first_of_name(index);
            assert_eq!(find(name, b"no such value"), Found::Name(first));
            assert_eq!(ENTRIES[usize::from(first) - 1].0, name);
            assert!(first == 1 || ENTRIES[usize::from(first) - 2].0 != name);
            assert_eq!(
                ENTRIES.iter().filter(|entry| entry.0 == name).count(),
                usize::from(entries_of_name(first))
            );
        }
        assert_eq!((get(0), get(LEN + 1)), (None, None));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for name in [
            &b""[..],
            b"x",
            b"x-frame-options",
            b":statuz",
            b"Date",
            b"dute",
        ] {
            assert_eq!(find(name, b""), Found::None);
        }
    }
}
