//! Times, numbers of bytes and names, as typed.

use std::str::FromStr;
use std::time::Duration;

/// A length of time, such as `10s`, `1.5m` or `250ms`; a number alone is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a length of time: write for example 10s, 500ms or 5m");
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let scale = match unit {
            "ms" => 1e-3,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        Duration::try_from_secs_f64(number * scale)
            .map(Self)
            .map_err(|_| wrong())
    }
}

/// A number of bytes, such as `1024`, `64k` or `1g`: the letters are powers of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a number of bytes: write for example 4096, 64k, 16m or 1g");
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" => 0,
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number
            .checked_mul(1 << shift)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is too much"))
    }
}

/// Something that belongs to the target of this name: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// What stands behind the first `=`.
    pub value: String,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && name.chars().all(usual) => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!(
                "`{text}` begins with no name: write NAME= in front, of letters, digits, `.`, `_` and `-`"
            )),
        }
    }
}

/// How much worse figures may be: `PERCENT` or `FIGURE=PERCENT`.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxLoss {
    /// The name of the only figure that it is for.
    pub figure: Option<String>,
    /// Percent, 0 or more.
    pub percent: f64,
}

impl FromStr for MaxLoss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (figure, number) = match text.split_once('=') {
            Some((figure, number)) => (Some(figure), number),
            None => (None, text),
        };
        let percent = number.trim_end_matches('%').parse();
        match percent {
            Ok(percent) if (0.0..=1e6).contains(&percent) => Ok(Self {
                figure: figure.map(str::to_owned),
                percent,
            }),
            _ => Err(format!(
                "`{text}` is no number of percent from 0 on: write for example 10, or corrected_p99_ns=50"
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read() {
        let time = |text: &str| text.parse::<Time>().map(|time| time.0.as_millis());
        assert_eq!(time("10s"), Ok(10_000));
        assert_eq!(time("1.5m"), Ok(90_000));
        assert_eq!(time("250ms"), Ok(250));
        assert_eq!(time("2"), Ok(2_000));
        for text in ["", "s", "-1s", "1d", "1.2.3s", "1e99h"] {
            assert!(time(text).unwrap_err().contains(text));
        }
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(bytes("1024"), Ok(1_024));
        assert_eq!(bytes("64K"), Ok(65_536));
        assert_eq!(bytes("1g"), Ok(1 << 30));
        let named = |text: &str| text.parse::<Named>().map(|named| (named.name, named.value));
        let both = ("a.b-1".to_owned(), "http://h/=2".to_owned());
        assert_eq!(named("a.b-1=http://h/=2"), Ok(both));
        for text in ["", "=x", "http://h/", "http://h/=2", "a b=x"] {
            assert!(named(text).unwrap_err().contains("NAME="), "{text}");
        }
        let loss = |text: &str| text.parse::<MaxLoss>().map(|l| (l.figure, l.percent));
        assert_eq!(loss("10%"), Ok((None, 10.0)));
        assert_eq!(loss("a_ns=2.5"), Ok((Some("a_ns".to_owned()), 2.5)));
        for text in ["", "x", "a=", "-1", "inf", "nan"] {
            assert!(loss(text).unwrap_err().contains(text), "{text}");
        }
        for text in ["", "k", "1.5k", "-1", "1t", "99999999999999999g"] {
            assert!(bytes(text).unwrap_err().contains(text));
        }
    }
}
