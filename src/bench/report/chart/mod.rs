//! Charts as SVG, without script and style attributes: colours are those of the page's classes.
//!
//! Each is drawn twice, for wide screens and for phones, so that text has a readable size on both; the page shows one.

mod scale;

use std::fmt::Write;

pub(super) use scale::Axis;

/// The size of a drawing, in units that are pixels where it is shown at its own size.
#[derive(Clone, Copy, Debug)]
struct Size {
    class: &'static str,
    width: f64,
    height: f64,
}

const SIZES: [Size; 2] = [
    Size {
        class: "wide",
        width: 880.0,
        height: 300.0,
    },
    Size {
        class: "narrow",
        width: 340.0,
        height: 250.0,
    },
];

/// Room around the field, for ticks and titles.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 44.0;
/// Width of a character at most, on the average of a label.
const CHARACTER: f64 = 8.0;
/// Height of a row of intervals.
const ROW: f64 = 34.0;

/// A chart: two axes and what is drawn between them.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// What it shows, for those who cannot see it.
    pub(super) description: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) marks: Vec<Mark>,
}

/// Something drawn. `class` is the colour: `c0`, `c1`, ...
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// A line through points.
    Line {
        class: String,
        points: Vec<(f64, f64)>,
    },
    /// A line with a dot at each point.
    Dots {
        class: String,
        points: Vec<(f64, f64)>,
    },
    /// Bars from zero, from one place to another.
    Bars {
        class: String,
        bars: Vec<(f64, f64, f64)>,
    },
    /// A line from top to bottom.
    Rule { x: f64 },
}

impl Chart {
    /// The chart in all sizes.
    pub(super) fn svg(&self) -> String {
        SIZES.iter().map(|size| self.draw(size)).collect()
    }

    fn draw(&self, size: &Size) -> String {
        let mut out = begin(size, size.height, &self.description);
        let field = Field::new(size, size.height);
        field.vertical_axis(&mut out, &self.y);
        field.horizontal_axis(&mut out, &self.x);
        for mark in &self.marks {
            let x = |value| field.x(&self.x, value);
            let y = |value| field.y(&self.y, value);
            match mark {
                Mark::Line { class, points } => {
                    let places: Vec<_> = points.iter().map(|p| (x(p.0), y(p.1))).collect();
                    line(&mut out, class, &places);
                }
                Mark::Dots { class, points } => {
                    let places: Vec<_> = points.iter().map(|p| (x(p.0), y(p.1))).collect();
                    line(&mut out, class, &places);
                    for (x, y) in places {
                        put(
                            &mut out,
                            format_args!(
                                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"
                            ),
                        );
                    }
                }
                Mark::Bars { class, bars } => {
                    put(&mut out, format_args!("<path class=\"bars {class}\" d=\""));
                    for (from, to, height) in bars.iter().filter(|bar| bar.2 > 0.0) {
                        let (left, right, top) = (x(*from), x(*to), y(*height));
                        put(
                            &mut out,
                            format_args!(
                                "M{left:.1} {:.1}V{top:.1}H{right:.1}V{:.1}z",
                                field.bottom, field.bottom
                            ),
                        );
                    }
                    out.push_str("\"/>");
                }
                Mark::Rule { x: value } => {
                    let x = x(*value);
                    put(
                        &mut out,
                        format_args!(
                            "<path class=\"rule\" d=\"M{x:.1} {:.1}V{:.1}\"/>",
                            field.top, field.bottom
                        ),
                    );
                }
            }
        }
        out.push_str("</svg>");
        out
    }
}

/// Intervals below each other on one axis, each with its name above it.
#[derive(Clone, Debug)]
pub(super) struct Intervals {
    pub(super) description: String,
    pub(super) x: Axis,
    /// The value that all are held against.
    pub(super) rule: f64,
    pub(super) rows: Vec<Interval>,
}

/// A value and how sure it is. The name is ours: nothing in it needs to be escaped.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) value: f64,
    pub(super) ends: Option<(f64, f64)>,
}

impl Intervals {
    /// The chart in all sizes.
    pub(super) fn svg(&self) -> String {
        SIZES.iter().map(|size| self.draw(size)).collect()
    }

    fn draw(&self, size: &Size) -> String {
        let height = 12.0 + self.rows.len() as f64 * ROW + BOTTOM;
        let mut out = begin(size, height, &self.description);
        let field = Field {
            left: RIGHT,
            top: 12.0,
            ..Field::new(size, height)
        };
        field.horizontal_axis(&mut out, &self.x);
        let x = |value| field.x(&self.x, value);
        let rule = x(self.rule);
        put(
            &mut out,
            format_args!(
                "<path class=\"rule\" d=\"M{rule:.1} {:.1}V{:.1}\"/>",
                field.top, field.bottom
            ),
        );
        for (index, row) in self.rows.iter().enumerate() {
            let y = field.top + (index as f64 + 1.0) * ROW - 8.0;
            let (class, left, right) = (row.class, field.left, field.right);
            put(
                &mut out,
                format_args!(
                    "<text x=\"{left:.1}\" y=\"{:.1}\">{}</text>",
                    y - 10.0,
                    row.name
                ),
            );
            put(
                &mut out,
                format_args!(
                    "<text class=\"end\" x=\"{right:.1}\" y=\"{:.1}\">{}</text>",
                    y - 10.0,
                    row.text
                ),
            );
            put(
                &mut out,
                format_args!("<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>"),
            );
            if let Some((low, high)) = row.ends {
                put(
                    &mut out,
                    format_args!(
                        "<path class=\"interval {class}\" d=\"M{:.1} {y:.1}H{:.1}\"/>",
                        x(low),
                        x(high)
                    ),
                );
            }
            put(
                &mut out,
                format_args!(
                    "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"/>",
                    x(row.value)
                ),
            );
        }
        out.push_str("</svg>");
        out
    }
}

/// Where things are drawn.
#[derive(Clone, Copy, Debug)]
struct Field {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Field {
    fn new(size: &Size, height: f64) -> Self {
        Self {
            left: LEFT,
            right: size.width - RIGHT,
            top: TOP,
            bottom: height - BOTTOM,
        }
    }

    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + axis.at(value) * (self.right - self.left)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - axis.at(value) * (self.bottom - self.top)
    }

    fn vertical_axis(&self, out: &mut String, axis: &Axis) {
        put(
            out,
            format_args!(
                "<text class=\"title\" x=\"4\" y=\"14\">{}</text>",
                axis.title
            ),
        );
        let mut last = f64::INFINITY;
        for (value, text) in &axis.ticks {
            let y = self.y(axis, *value);
            if last - y < 15.0 {
                continue;
            }
            last = y;
            put(
                out,
                format_args!(
                    "<path class=\"grid\" d=\"M{:.1} {y:.1}H{:.1}\"/>",
                    self.left, self.right
                ),
            );
            put(
                out,
                format_args!(
                    "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
                    self.left - 6.0,
                    y + 4.0
                ),
            );
        }
    }

    fn horizontal_axis(&self, out: &mut String, axis: &Axis) {
        put(
            out,
            format_args!(
                "<path class=\"axis\" d=\"M{:.1} {:.1}H{:.1}\"/>",
                self.left, self.bottom, self.right
            ),
        );
        let mut free_from = f64::NEG_INFINITY;
        for (value, text) in &axis.ticks {
            let x = self.x(axis, *value);
            let half = text.chars().count() as f64 * CHARACTER / 2.0;
            // At the ends it would stick out.
            let middle = x.min(self.right + RIGHT - half).max(half);
            if middle - half < free_from {
                continue;
            }
            free_from = middle + half + CHARACTER;
            put(
                out,
                format_args!("<path class=\"axis\" d=\"M{x:.1} {:.1}v5\"/>", self.bottom),
            );
            put(
                out,
                format_args!(
                    "<text class=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">{text}</text>",
                    self.bottom + 18.0
                ),
            );
        }
        let title = (self.right, self.bottom + 37.0);
        put(
            out,
            format_args!(
                "<text class=\"title end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                title.0, title.1, axis.title
            ),
        );
    }
}

fn begin(size: &Size, height: f64, description: &str) -> String {
    format!(
        "<svg class=\"{}\" viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"{description}\">",
        size.class, size.width
    )
}

fn line(out: &mut String, class: &str, places: &[(f64, f64)]) {
    put(out, format_args!("<path class=\"line {class}\" d=\""));
    for (index, (x, y)) in places.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        put(out, format_args!("{command}{x:.1} {y:.1}"));
    }
    out.push_str("\"/>");
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::units;

    #[test]
    fn marks_lie_within_the_field() {
        let points = vec![(0.0, 0.0), (5.0, 50.0), (10.0, 1e9)];
        let chart = Chart {
            description: "a line".to_owned(),
            x: Axis::time("time", 10.0),
            y: Axis::linear("requests/s", 100.0, units::count),
            marks: vec![
                Mark::Line {
                    class: "c0".to_owned(),
                    points: points.clone(),
                },
                Mark::Dots {
                    class: "c1".to_owned(),
                    points,
                },
                Mark::Bars {
                    class: "c2".to_owned(),
                    bars: vec![(0.0, 5.0, 50.0), (5.0, 10.0, 0.0)],
                },
                Mark::Rule { x: 5.0 },
            ],
        };
        let svg = chart.svg();
        assert_eq!(svg.matches("<svg").count(), 2);
        assert!(
            svg.contains("d=\"M66.0 256.0L464.0 142.0L862.0 28.0\""),
            "{svg}"
        );
        assert_eq!(svg.matches("<circle").count(), 6);
        assert!(svg.contains("M66.0 256.0V142.0H464.0V256.0z\""));
        assert!(!svg.contains("style=") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
