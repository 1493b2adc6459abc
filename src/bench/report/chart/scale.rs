//! Axes: which value lies where, and which ones are written beside them.

use crate::bench::units;

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    Linear,
    Log,
    /// Of shares: as the logarithm of 1 / (1 - share), so that every nine more takes the same room (HdrHistogram's).
    Nines,
}

/// An axis.
#[derive(Clone, Debug)]
pub(in crate::bench::report) struct Axis {
    pub(super) title: String,
    scale: Scale,
    /// Where it begins and ends, in values.
    low: f64,
    high: f64,
    /// Values that are marked, and what is written there.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to a round number from `most` on.
    pub(in crate::bench::report) fn linear(
        title: &str,
        most: f64,
        label: fn(f64) -> String,
    ) -> Self {
        let most = if most > 0.0 && most.is_finite() {
            most
        } else {
            1.0
        };
        let step = round_up(most / 5.0);
        let count = (most / step - 1e-9).ceil() as u32;
        Self {
            title: title.to_owned(),
            scale: Scale::Linear,
            low: 0.0,
            high: f64::from(count) * step,
            ticks: (0..=count)
                .map(|i| f64::from(i) * step)
                .map(|value| (value, short(label(value))))
                .collect(),
        }
    }

    /// From zero to exactly `most`: for time, which ends where it ends.
    pub(in crate::bench::report) fn time(title: &str, most: f64) -> Self {
        let seconds = |value: f64| format!("{value:.3}s");
        let mut axis = Self::linear(title, most, seconds);
        if most > 0.0 {
            axis.high = most;
            axis.ticks.retain(|(value, _)| *value <= most * 1.000_001);
        }
        axis
    }

    /// Over powers of ten, with ones between where there is room. Both ends are above zero.
    pub(in crate::bench::report) fn log(
        title: &str,
        low: f64,
        high: f64,
        label: fn(f64) -> String,
    ) -> Self {
        let low = if low > 0.0 && low.is_finite() {
            low
        } else {
            1.0
        };
        let high = if high.is_finite() {
            high.max(low * 1.05)
        } else {
            low * 10.0
        };
        let decades = (high / low).log10();
        let between: &[f64] = match decades {
            decades if decades > 2.5 => &[1.0],
            decades if decades > 0.8 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        };
        let mut marks = Vec::new();
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        for power in first..=last {
            marks.extend(between.iter().map(|digit| digit * 10f64.powi(power)));
        }
        // Out to the next mark, so that no end is without one.
        let below = marks.iter().rfind(|mark| **mark <= low * 1.000_001);
        let above = marks.iter().find(|mark| **mark >= high * 0.999_999);
        let (low, high) = (
            below.copied().unwrap_or(low),
            above.copied().unwrap_or(high),
        );
        marks.retain(|mark| *mark >= low * 0.999_999 && *mark <= high * 1.000_001);
        Self {
            title: title.to_owned(),
            scale: Scale::Log,
            low,
            high,
            ticks: marks
                .into_iter()
                .map(|mark| (mark, short(label(mark))))
                .collect(),
        }
    }

    /// Ratios around 1, over powers of ten.
    pub(in crate::bench::report) fn ratio(title: &str, low: f64, high: f64) -> Self {
        let label = |value: f64| match value {
            value if value >= 100.0 => units::count(value),
            value => format!("{value:.3}"),
        };
        Self::log(title, low.min(0.9), high.max(1.1), label)
    }

    /// Shares of so many values, up to the last that means something.
    pub(in crate::bench::report) fn nines(title: &str, count: u64) -> Self {
        let most = 1.0 - 0.5 / count.max(1) as f64;
        let known = [
            (0.0, "0"),
            (0.5, "50"),
            (0.9, "90"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.9999, "99.99"),
            (0.99999, "99.999"),
            (0.999_999, "99.9999"),
        ];
        let shown = known.into_iter().filter(|(share, _)| *share <= most);
        Self {
            title: title.to_owned(),
            scale: Scale::Nines,
            low: 0.0,
            high: most,
            ticks: shown
                .map(|(share, text)| (share, format!("{text}%")))
                .collect(),
        }
    }

    /// Where a value lies, 0 to 1; beyond the ends it is at the end.
    pub(in crate::bench::report) fn at(&self, value: f64) -> f64 {
        let place = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).ln(),
            Scale::Nines => -(1.0 - value).max(f64::MIN_POSITIVE).ln(),
        };
        let (low, high) = (place(self.low), place(self.high));
        if high > low {
            ((place(value) - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// The value at a place, 0 to 1; of an axis over powers of ten.
    pub(in crate::bench::report) fn log_value(&self, place: f64) -> f64 {
        self.low * (self.high / self.low).powf(place)
    }
}

/// A figure with its unit, without zeros behind the point that say nothing.
fn short(text: String) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    match number.contains('.') {
        true => format!(
            "{}{unit}",
            number.trim_end_matches('0').trim_end_matches('.')
        ),
        false => text,
    }
}

/// The next of 1, 2, 5, 10, ... from a value on.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0].into_iter();
    let found = digits
        .map(|digit| digit * power)
        .find(|round| *round >= value * 0.999_999);
    found.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| &**text).collect()
    }

    #[test]
    fn linear_axes_end_at_round_numbers() {
        let axis = Axis::linear("", 87_000.0, units::count);
        assert_eq!(texts(&axis), ["0", "20k", "40k", "60k", "80k", "100k"]);
        assert_eq!(
            (axis.at(0.0), axis.at(50_000.0), axis.at(1e9)),
            (0.0, 0.5, 1.0)
        );
        assert_eq!(
            texts(&Axis::time("", 2.5)),
            ["0s", "0.5s", "1s", "1.5s", "2s", "2.5s"]
        );
        assert_eq!(texts(&Axis::time("", 1.1)), ["0s", "0.5s", "1s"]);
        assert_eq!(Axis::linear("", 0.0, units::count).high, 1.0);
        assert_eq!(Axis::linear("", f64::NAN, units::count).high, 1.0);
    }

    #[test]
    fn powers_of_ten() {
        let time = |ns: f64| units::time(ns as u64);
        let axis = Axis::log("", 80_000.0, 9e6, time);
        assert_eq!(
            texts(&axis),
            [
                "50us", "100us", "200us", "500us", "1ms", "2ms", "5ms", "10ms"
            ]
        );
        assert!((axis.at(axis.log_value(0.3)) - 0.3).abs() < 1e-9);
        for (low, high) in [(1e3, 1e9), (5.0, 5.0), (0.0, 0.0), (-1.0, f64::INFINITY)] {
            let axis = Axis::log("", low, high, time);
            assert!(axis.ticks.len() >= 2, "{low} {high}: {:?}", axis.ticks);
            assert_eq!(axis.at(axis.ticks[0].0), 0.0);
        }
    }

    #[test]
    fn every_nine_takes_the_same_room() {
        let axis = Axis::nines("", 1_000);
        assert_eq!(texts(&axis), ["0%", "50%", "90%", "99%", "99.9%"]);
        let room = |a: f64, b: f64| axis.at(b) - axis.at(a);
        assert!((room(0.9, 0.99) - room(0.99, 0.999)).abs() < 1e-9);
        assert_eq!(axis.at(1.0), 1.0);
    }
}
