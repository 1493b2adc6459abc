//! Figures with units, for people: three digits.

/// A length of time in nanoseconds.
pub(super) fn time(ns: u64) -> String {
    match ns {
        0..1_000_000 => digits(ns as f64 / 1e3) + "us",
        1_000_000..1_000_000_000 => digits(ns as f64 / 1e6) + "ms",
        _ => digits(ns as f64 / 1e9) + "s",
    }
}

/// A number of something.
pub(super) fn count(number: f64) -> String {
    match number {
        number if number >= 1e9 => digits(number / 1e9) + "G",
        number if number >= 1e6 => digits(number / 1e6) + "M",
        number if number >= 1e4 => digits(number / 1e3) + "k",
        number if number >= 100.0 => format!("{number:.0}"),
        number => digits(number),
    }
}

/// Bytes, in powers of 1,000.
pub(super) fn bytes(number: f64) -> String {
    match number {
        number if number >= 1e12 => digits(number / 1e12) + " TB",
        number if number >= 1e9 => digits(number / 1e9) + " GB",
        number if number >= 1e6 => digits(number / 1e6) + " MB",
        number if number >= 1e3 => digits(number / 1e3) + " kB",
        number => format!("{number:.0} B"),
    }
}

/// Bytes per second.
pub(super) fn bytes_per_s(number: f64) -> String {
    bytes(number) + "/s"
}

/// Three digits, as long as there are no more before the point.
pub(super) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        value if value < 0.9995 => 3,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// A number with commas between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment in milliseconds since 1970, as `YYYY-MM-DD HH:MM:SS UTC`.
pub(super) fn date(unix_ms: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(unix_ms);
    // `Thu, 26 Nov 2026 03:28:28 GMT`, as every HTTP server says it.
    let said = httpdate::fmt_http_date(time);
    match said.split([' ', ',']).collect::<Vec<_>>()[..] {
        [_, "", day, month, year, clock, _] => format!("{day} {month} {year}, {clock} UTC"),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let times = [0, 999, 1_500, 86_100, 999_999, 1_870_000, 12_340_000_000];
        let said: Vec<String> = times.into_iter().map(time).collect();
        assert_eq!(
            said,
            [
                "0.000us", "0.999us", "1.50us", "86.1us", "1000us", "1.87ms", "12.3s"
            ]
        );
        assert_eq!(count(9_153.4), "9153");
        assert_eq!(count(1_234_567.0), "1.23M");
        assert_eq!(count(0.25), "0.250");
        assert_eq!(bytes(1e6), "1.00 MB");
        assert_eq!(bytes_per_s(91.2e6), "91.2 MB/s");
        assert_eq!(bytes(0.0), "0 B");
    }

    #[test]
    fn thousands_and_dates() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(date(1_795_664_149_721), "26 Nov 2026, 03:35:49 UTC");
    }
}
