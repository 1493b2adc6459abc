//! The types of single settings, and how each is read from text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// The most entries that a core list may name: the kernel's own limit on processors (`CONFIG_NR_CPUS` on x86-64).
const MAX_CORES: usize = 8192;

/// One value of `--http` or `--https`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listen {
    /// The word `none`: do not listen for this kind at all.
    Off,
    /// An address and port; port 0 lets the kernel pick one.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::Off);
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            format!(
                "`{text}` is not an address with a port: write for example 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8443, or `none` to switch it off"
            )
        })?;
        // Sockets for IPv6 take no IPv4, so none can be bound to it.
        if let IpAddr::V6(v6) = address.ip()
            && let Some(v4) = v6.to_ipv4_mapped()
        {
            let port = address.port();
            return Err(format!(
                "`{text}` is an IPv4 address written as an IPv6 one: write {v4}:{port}"
            ));
        }
        Ok(Self::At(address))
    }
}

/// The value of `http` or `https` in a file: one string or an array of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListenList(
    /// In the order written.
    pub Vec<Listen>,
);

impl<'de> Deserialize<'de> for ListenList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = ListenList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"ADDR:PORT\", an array of them, or \"none\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ListenList, E> {
                let one = text.parse().map_err(E::custom)?;
                Ok(ListenList(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ListenList, A::Error> {
                let mut list = Vec::new();
                while let Some(text) = items.next_element::<String>()? {
                    list.push(text.parse().map_err(de::Error::custom)?);
                }
                if list.is_empty() {
                    return Err(de::Error::custom(
                        "an empty list: write \"none\" to switch it off",
                    ));
                }
                Ok(ListenList(list))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// A list of processor cores such as `0,2-5`: sorted, each once, never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CoreList(Vec<usize>);

impl CoreList {
    /// The cores, in ascending order.
    pub fn cores(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for CoreList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |part: &str| {
            format!("`{part}` is not a core or a range of cores: write for example 0,2-5")
        };
        let mut cores = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| digits.trim().parse::<usize>().map_err(|_| wrong(part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!(
                    "the range `{part}` runs backwards: write {last}-{first}"
                ));
            }
            if last >= MAX_CORES {
                return Err(format!(
                    "core {last} is beyond {MAX_CORES}, the most that Linux has"
                ));
            }
            cores.extend(first..=last);
        }
        cores.sort_unstable();
        cores.dedup();
        Ok(Self(cores))
    }
}

impl<'de> Deserialize<'de> for CoreList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Prints cores the way they are written: `0,2-5`.
pub fn display_cores(cores: &[usize]) -> String {
    let mut text = String::new();
    for run in cores.chunk_by(|a, b| a + 1 == *b) {
        if !text.is_empty() {
            text.push(',');
        }
        match run {
            [one] => text.push_str(&one.to_string()),
            [first, .., last] => text.push_str(&format!("{first}-{last}")),
            [] => {}
        }
    }
    text
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what stops something from working.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what happens to the server as a whole.
    #[default]
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_read_and_printed() {
        for (text, cores, printed) in [
            ("0", vec![0], "0"),
            ("0,2-5", vec![0, 2, 3, 4, 5], "0,2-5"),
            ("3, 1,2,1", vec![1, 2, 3], "1-3"),
            ("7-7,9", vec![7, 9], "7,9"),
        ] {
            let list: CoreList = text.parse().unwrap();
            assert_eq!(list.cores(), cores, "{text}");
            assert_eq!(display_cores(list.cores()), printed);
        }
    }

    #[test]
    fn wrong_core_lists_say_which_part() {
        for (text, part) in [
            ("", "``"),
            ("1,,2", "``"),
            ("1,x", "`x`"),
            ("5-2", "2-5"),
            ("-3", "`-3`"),
            ("0-99999999999", "8192"),
        ] {
            let error = text.parse::<CoreList>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_and_none() {
        assert_eq!("none".parse(), Ok(Listen::Off));
        assert!(matches!("[::1]:0".parse(), Ok(Listen::At(_))));
        for text in [
            "8080",
            "localhost:80",
            "127.0.0.1",
            "127.0.0.1:70000",
            "None",
        ] {
            assert!(text.parse::<Listen>().unwrap_err().contains(text));
        }
        for (text, instead) in [
            ("[::ffff:127.0.0.1]:0", "write 127.0.0.1:0"),
            ("[::ffff:0:0]:80", "write 0.0.0.0:80"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(instead), "{error}");
        }
    }
}
