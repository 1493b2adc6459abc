//! How a listing is sorted, as the query of its URL says it.

/// What entries are sorted by. Directories come before files in every case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// By name, as people count: `file2` before `file10`, without regard to case.
    #[default]
    Name,
    /// By size in bytes; directories, which have none, by name.
    Size,
    /// By the time of the last modification, in whole seconds.
    Modified,
}

/// From the least to the greatest, or the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The least, the smallest, the oldest first.
    #[default]
    Ascending,
    /// The greatest, the largest, the newest first.
    Descending,
}

/// The query of a listing: `sort=name|size|modified` and `order=asc|desc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// By what.
    pub sort: Sort,
    /// In which direction.
    pub order: Order,
}

impl Query {
    /// Reads the query of a request target, without its `?`. Keys and values that are not known are passed over, as
    /// a link from elsewhere may carry some; of several values for one key the last counts.
    #[must_use]
    pub fn parse(query: &[u8]) -> Self {
        let mut parsed = Self::default();
        for pair in query.split(|&byte| byte == b'&') {
            match pair {
                b"sort=name" => parsed.sort = Sort::Name,
                b"sort=size" => parsed.sort = Sort::Size,
                b"sort=modified" => parsed.sort = Sort::Modified,
                b"order=asc" => parsed.order = Order::Ascending,
                b"order=desc" => parsed.order = Order::Descending,
                _ => {}
            }
        }
        parsed
    }

    /// A relative reference (RFC 3986 section 4.2) from any listing to itself, sorted by this.
    pub(super) fn href(self) -> &'static str {
        match (self.sort, self.order) {
            // The default has one address, the one without a query.
            (Sort::Name, Order::Ascending) => "./",
            (Sort::Name, Order::Descending) => "?sort=name&order=desc",
            (Sort::Size, Order::Ascending) => "?sort=size&order=asc",
            (Sort::Size, Order::Descending) => "?sort=size&order=desc",
            (Sort::Modified, Order::Ascending) => "?sort=modified&order=asc",
            (Sort::Modified, Order::Descending) => "?sort=modified&order=desc",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        for (query, sort, order) in [
            (&b""[..], Sort::Name, Order::Ascending),
            (b"sort=name&order=asc", Sort::Name, Order::Ascending),
            (b"sort=size", Sort::Size, Order::Ascending),
            (b"order=desc", Sort::Name, Order::Descending),
            (
                b"order=desc&sort=modified",
                Sort::Modified,
                Order::Descending,
            ),
            (
                b"&&x=y&sort=size&&order=desc&",
                Sort::Size,
                Order::Descending,
            ),
            (b"sort=size&sort=modified", Sort::Modified, Order::Ascending),
            (
                b"sort=modified&sort=colour",
                Sort::Modified,
                Order::Ascending,
            ),
            (b"sort=SIZE&order=down", Sort::Name, Order::Ascending),
            (b"sort=si%7ae;order=desc", Sort::Name, Order::Ascending),
            (b"sort&order=&=size&\xff", Sort::Name, Order::Ascending),
        ] {
            let parsed = Query::parse(query);
            assert_eq!(parsed, Query { sort, order }, "{}", query.escape_ascii());
        }
    }

    #[test]
    fn a_link_says_what_it_leads_to() {
        for sort in [Sort::Name, Sort::Size, Sort::Modified] {
            for order in [Order::Ascending, Order::Descending] {
                let query = Query { sort, order };
                let href = query.href();
                let written = href.strip_prefix('?').unwrap_or_default();
                assert_eq!(Query::parse(written.as_bytes()), query, "{href}");
            }
        }
    }
}
