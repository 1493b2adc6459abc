//! `Accept-Encoding` (RFC 9110 section 12.5.3): which content coding to answer with.

use super::coding::Coding;
use super::quality::{Quality, is_token};
use super::trim_ows;

/// What a request says of content codings: a few weights, so that it can be kept while a file is opened.
///
/// Read from the whole value by [`AcceptEncoding::of`]; or, from the [`Default`] on (no field: nothing is asked for), line by line, in
/// any order, by [`AcceptEncoding::add_line`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptEncoding {
    br: Option<Quality>,
    zstd: Option<Quality>,
    gzip: Option<Quality>,
    identity: Option<Quality>,
    /// `*`: whatever is not named.
    any: Option<Quality>,
}

impl AcceptEncoding {
    /// Reads the value of the field, its lines joined by commas (RFC 9110 section 5.3); `None` where there is no field.
    pub fn of(field: Option<&[u8]>) -> Self {
        let mut read = Self::default();
        if let Some(field) = field {
            read.add_line(field);
        }
        read
    }

    /// Reads one line of the field. Members that break the grammar and codings that are not served are ignored; of
    /// a coding that is named twice (also as `gzip` and `x-gzip`) the lower weight counts, as no coding is always
    /// right.
    pub fn add_line(&mut self, line: &[u8]) {
        // No member can hold a quoted string, nor with it a comma.
        for member in line.split(|&byte| byte == b',') {
            let Some((name, quality)) = parse_member(trim_ows(member)) else {
                continue;
            };
            let known = match Coding::from_token(name) {
                Some(coding) => self.weight_mut(coding),
                None if name == b"*" => &mut self.any,
                None if name.eq_ignore_ascii_case(b"identity") => &mut self.identity,
                None => continue,
            };
            *known = Some(known.map_or(quality, |known| known.min(quality)));
        }
    }

    /// The coding to answer with out of those that are available, which are given with the one that the server
    /// prefers first: its order decides between equal weights.
    ///
    /// `None` is no coding. It is chosen where it weighs more than every available coding, and where none of them is
    /// acceptable, even by `identity;q=0`: section 12.4.1 allows to disregard the field rather than
    /// answer with 406. Where its weight is not said, by name or by `*`, any acceptable coding goes before it.
    pub fn choose(&self, available: impl IntoIterator<Item = Coding>) -> Option<Coding> {
        let mut best = self
            .identity
            .or(self.any)
            .unwrap_or(Quality::NOT_ACCEPTABLE);
        let mut chosen = None;
        for coding in available {
            let quality = self.quality(coding);
            // A coding goes before none at the same weight, but not before a coding that came earlier.
            let better = match chosen {
                None => quality >= best && quality.is_acceptable(),
                Some(_) => quality > best,
            };
            if better {
                (best, chosen) = (quality, Some(coding));
            }
        }
        chosen
    }

    /// Whether the request would take this coding: what it would not need not be looked for.
    pub fn accepts(&self, coding: Coding) -> bool {
        self.quality(coding).is_acceptable()
    }

    fn quality(&self, coding: Coding) -> Quality {
        let named = match coding {
            Coding::Br => self.br,
            Coding::Zstd => self.zstd,
            Coding::Gzip => self.gzip,
        };
        // A field that names other codings only does not accept this one; nor is one to be had without the field,
        // though section 12.5.3 would allow any: old clients that send none can decode none.
        named.or(self.any).unwrap_or(Quality::NOT_ACCEPTABLE)
    }

    fn weight_mut(&mut self, coding: Coding) -> &mut Option<Quality> {
        match coding {
            Coding::Br => &mut self.br,
            Coding::Zstd => &mut self.zstd,
            Coding::Gzip => &mut self.gzip,
        }
    }
}

/// `codings [ weight ]`, where `weight = OWS ";" OWS "q=" qvalue`.
fn parse_member(member: &[u8]) -> Option<(&[u8], Quality)> {
    let (name, quality) = match member.iter().position(|&byte| byte == b';') {
        None => (member, Quality::MOST),
        Some(at) => {
            let weight = trim_ows(&member[at + 1..]);
            let (b"q=" | b"Q=", value) = weight.split_at_checked(2)? else {
                return None;
            };
            (trim_ows(&member[..at]), Quality::parse(value)?)
        }
    };
    is_token(name).then_some((name, quality))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use Coding::{Br, Gzip, Zstd};
    use proptest::prelude::*;

    fn parse(lines: &[&[u8]]) -> AcceptEncoding {
        let mut accept = AcceptEncoding::default();
        for line in lines {
            accept.add_line(line);
        }
        accept
    }

    fn choose(line: &[u8]) -> Option<Coding> {
        parse(&[line]).choose(Coding::PRECOMPRESSED)
    }

    #[test]
    fn without_the_field_nothing_is_coded() {
        assert_eq!(
            AcceptEncoding::default().choose(Coding::PRECOMPRESSED),
            None
        );
    }

    /// The examples of section 12.5.3, "compress" being a coding that is not served.
    #[test]
    fn s12_5_3_examples() {
        for (line, coding) in [
            (&b"compress, gzip"[..], Some(Gzip)),
            (b"", None),
            (b"*", Some(Br)),
            (b"compress;q=0.5, gzip;q=1.0", Some(Gzip)),
            (b"gzip;q=1.0, identity; q=0.5, *;q=0", Some(Gzip)),
        ] {
            assert_eq!(choose(line), coding, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn what_clients_send() {
        for (line, coding) in [
            // Chromium and Firefox over TLS, then in clear.
            (&b"gzip, deflate, br, zstd"[..], Some(Br)),
            (b"gzip, deflate", Some(Gzip)),
            // curl --compressed, wget, Go, python-requests, rsync-like tools that want the bytes themselves.
            (b"deflate, gzip, br, zstd", Some(Br)),
            (b"identity", None),
            (b"gzip", Some(Gzip)),
            (b"gzip, deflate, zstd", Some(Zstd)),
            (b"gzip;q=0", None),
            (b"identity;q=1, *;q=0", None),
        ] {
            assert_eq!(choose(line), coding, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn the_higher_weight_then_the_servers_order() {
        for (line, coding) in [
            (&b"br;q=0.5, gzip"[..], Some(Gzip)),
            (b"br;q=0.5, zstd;q=0.501, gzip;q=0.5", Some(Zstd)),
            (b"br;q=0.5,zstd;q=0.5,gzip;q=0.5", Some(Br)),
            (b"gzip;q=0.001", Some(Gzip)),
            (b"gzip, *;q=0.5", Some(Gzip)),
            (b"gzip;q=0.4, *;q=0.5", Some(Br)),
            (b"br;q=0, *", Some(Zstd)),
            (b"br;q=0, zstd;q=0, gzip;q=0, *", None),
            // No coding has a weight only where it is given one.
            (b"identity, gzip;q=0.9", None),
            (b"identity, gzip", Some(Gzip)),
            (b"identity;q=0.5, gzip;q=0.4, br;q=0.6", Some(Br)),
            (b"identity;q=0.5, gzip;q=0.4", None),
            (b"gzip;q=0.1", Some(Gzip)),
        ] {
            assert_eq!(choose(line), coding, "{}", line.escape_ascii());
        }
        let any = parse(&[b"*"]);
        assert_eq!(any.choose([Gzip, Zstd]), Some(Gzip));
        assert_eq!(any.choose([Zstd, Gzip]), Some(Zstd));
        assert_eq!(any.choose([]), None);
        assert_eq!(parse(&[b"br, gzip;q=0.1"]).choose([Zstd, Gzip]), Some(Gzip));
        // Here no coding is what "anything else" means, as the only other one to be had is gzip.
        assert_eq!(parse(&[b"gzip;q=0.2, *;q=0.5"]).choose([Gzip]), None);
    }

    #[test]
    fn s12_4_1_nothing_fits_and_is_served_as_it_is() {
        for line in [
            &b"identity;q=0"[..],
            b"*;q=0",
            b"identity;q=0, *;q=0",
            b"compress, identity;q=0",
        ] {
            assert_eq!(choose(line), None, "{}", line.escape_ascii());
        }
        assert_eq!(parse(&[b"br, identity;q=0"]).choose([Gzip]), None);
        assert_eq!(choose(b"gzip, identity;q=0"), Some(Gzip));
    }

    #[test]
    fn names_are_of_any_case_and_x_gzip_is_gzip() {
        for (line, coding) in [
            (&b"GZip"[..], Some(Gzip)),
            (b"x-gzip", Some(Gzip)),
            (b"X-GZIP;Q=0.5", Some(Gzip)),
            (b"BR", Some(Br)),
            (b"ZStd", Some(Zstd)),
            (b"gzip;q=0.2, IDENTITY;q=0.3", None),
        ] {
            assert_eq!(choose(line), coding, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn named_twice_the_lower_weight_counts() {
        for line in [
            &b"gzip, gzip;q=0"[..],
            b"gzip;q=0, gzip",
            b"x-gzip;q=0, gzip",
            b"*, *;q=0",
        ] {
            assert_eq!(choose(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn broken_members_are_ignored_and_the_others_count() {
        for broken in [
            &b"br;q=2"[..],
            b"br;q=",
            b"br;q",
            b"br;",
            b"br;q=0.5;q=0.5",
            b"br;level=11",
            b"br;x=1;q=1",
            b"br; q =1",
            b"br q=1",
            b"br gzip",
            b"b\"r",
            b";q=1",
            b"br=1",
            b"br;q=\"1\"",
        ] {
            assert_eq!(choose(broken), None, "{}", broken.escape_ascii());
            let line = [b"gzip;q=0.5, ", broken].concat();
            assert_eq!(choose(&line), Some(Gzip), "{}", line.escape_ascii());
        }
        assert_eq!(choose(b",, gzip ;\tq=0.5 ,"), Some(Gzip));
    }

    #[test]
    fn s5_3_several_lines_are_one_list() {
        let accept = parse(&[b"gzip;q=0.5", b"", b"br;q=0.1, zstd;q=0.6"]);
        assert_eq!(accept.choose(Coding::PRECOMPRESSED), Some(Zstd));
        assert_eq!(parse(&[b"*", b"br;q=0"]).choose([Br, Gzip]), Some(Gzip));
    }

    fn any_line() -> impl Strategy<Value = Vec<u8>> {
        let name = prop_oneof![
            Just("br"),
            Just("gzip"),
            Just("x-gzip"),
            Just("zstd"),
            Just("identity"),
            Just("*"),
            Just("deflate"),
        ];
        let member =
            (name, proptest::option::of(0u16..=10)).prop_map(|(name, tenths)| match tenths {
                Some(10) => format!("{name};q=1"),
                Some(tenths) => format!("{name};q=0.{tenths}"),
                None => name.to_owned(),
            });
        let member = prop_oneof![9 => member, 1 => "[ -~]{0,6}"];
        proptest::collection::vec(member, 0..7).prop_map(|members| members.join(",").into_bytes())
    }

    proptest! {
        #[test]
        fn what_is_chosen_is_available_accepted_and_outweighed_by_none(
            lines in proptest::collection::vec(any_line(), 0..3),
            available in Just(Coding::PRECOMPRESSED.to_vec()).prop_shuffle(),
            len in 0usize..=3,
        ) {
            let mut accept = AcceptEncoding::default();
            for line in &lines {
                accept.add_line(line);
            }
            let available = &available[..len];
            let chosen = accept.choose(available.iter().copied());
            let best = available.iter().map(|&coding| accept.quality(coding)).max();
            match chosen {
                Some(coding) => {
                    prop_assert!(available.contains(&coding) && accept.accepts(coding));
                    prop_assert_eq!(Some(accept.quality(coding)), best);
                    let first = available.iter().find(|&&coding| Some(accept.quality(coding)) == best);
                    prop_assert_eq!(first, Some(&coding));
                }
                None => {
                    let outweighed = accept.identity.or(accept.any) > best;
                    prop_assert!(outweighed || best.is_none_or(|best| !best.is_acceptable()));
                }
            }
        }

        #[test]
        fn lines_joined_are_the_same_in_any_order(one in any_line(), two in any_line()) {
            let joined = [&one[..], b", ", &two].concat();
            prop_assert_eq!(parse(&[&one, &two]), parse(&[&joined]));
            prop_assert_eq!(parse(&[&one, &two]), parse(&[&two, &one]));
        }

        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = choose(&line);
        }
    }
}
