//! Sizes and dates for people.

use std::fmt;

/// A size in bytes as people read it: `999 B`, `1.5 KiB`, one decimal, in powers of 1,024 (IEC 80000-13).
#[derive(Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let bytes = u128::from(self.0);
        for (unit, name) in UNITS.iter().enumerate() {
            let one = 1u128 << (10 * (unit + 1));
            // Rounded before it is compared, so that what rounds to 1024.0 is 1.0 of the next.
            let tenths = (bytes * 10 + one / 2) / one;
            if tenths < 10_240 || unit + 1 == UNITS.len() {
                return write!(f, "{}.{} {name}", tenths / 10, tenths % 10);
            }
        }
        Ok(())
    }
}

/// A count with its thousands apart: `1,234,567`.
#[derive(Clone, Copy)]
pub(super) struct Grouped(pub(super) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut rest = digits.as_str();
        while !rest.is_empty() {
            let (group, after) = rest.split_at((rest.len() - 1) % 3 + 1);
            f.write_str(group)?;
            if !after.is_empty() {
                f.write_str(",")?;
            }
            rest = after;
        }
        Ok(())
    }
}

/// A moment in UTC, to the second. `Display` writes it as RFC 3339 does: `2026-11-22T00:09:31Z`.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
}

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z, between which RFC 3339 section 1 can write.
const WRITABLE_SECS: (i64, i64) = (-62_167_219_200, 253_402_300_799);

impl Moment {
    /// From seconds since 1970-01-01T00:00:00Z, before it when negative; what four digits of a year cannot say is
    /// taken for the first or last moment that they can.
    pub(super) fn from_epoch(secs: i64) -> Self {
        let secs = secs.clamp(WRITABLE_SECS.0, WRITABLE_SECS.1);
        // Years are counted from March, so that the leap day is the last; 400 of them have 146,097 days
        // (the Gregorian calendar's period), and 719,468 lie between 0000-03-01 and 1970-01-01.
        let days = secs.div_euclid(86_400) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // From March on, months take turns in 30.6 days.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            second_of_day: secs.rem_euclid(86_400),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self {
            year,
            month,
            day,
            second_of_day,
        } = self;
        let (hour, minute, second) = (
            second_of_day / 3600,
            second_of_day / 60 % 60,
            second_of_day % 60,
        );
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// A moment to the minute, in an order that can be read in no other way: `2026-11-22 00:09`.
#[derive(Clone, Copy)]
pub(super) struct Minute(pub(super) Moment);

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment {
            year,
            month,
            day,
            second_of_day,
        } = self.0;
        let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 52, "1023.9 KiB"),
            (1024 * 1024 - 51, "1.0 MiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (1 << 40, "1.0 TiB"),
            (1 << 50, "1.0 PiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text, "{bytes}");
        }
    }

    #[test]
    fn counts() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(Grouped(count).to_string(), text);
        }
    }

    #[test]
    fn moments() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (WRITABLE_SECS.0, "0000-01-01T00:00:00Z"),
            (WRITABLE_SECS.1, "9999-12-31T23:59:59Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Moment::from_epoch(secs).to_string(), text, "{secs}");
        }
        let minute = Minute(Moment::from_epoch(784_111_777)).to_string();
        assert_eq!(minute, "1994-11-06 08:49");
    }

    proptest! {
        #[test]
        fn moments_are_those_of_http_dates(secs in 0..=crate::http::date::LAST_DATE_SECS) {
            let http = crate::http::format_http_date(secs);
            let http = str::from_utf8(&http).unwrap();
            let moment = Moment::from_epoch(secs.cast_signed());
            let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let month = months.find(&http[8..11]).unwrap() / 3 + 1;
            let expected = format!("{}-{month:02}-{}T{}Z", &http[12..16], &http[5..7], &http[17..25]);
            prop_assert_eq!(moment.to_string(), expected);
        }
    }
}
