//! A comparison as text for a person.

use std::fmt::Write;

use super::statistics::LEAST_DIFFERENCE;
use super::{Against, ComparedFigure, Comparison, FigureOf, Verdict};
use crate::bench::figures::{FIGURES, Figure};
use crate::bench::units;

/// The comparison, in lines.
#[must_use]
pub fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, comparison);
    text
}

fn write(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let names: Vec<&str> = comparison.targets.iter().map(|t| &*t.name).collect();
    let rounds = comparison.rounds;
    writeln!(out, "{rounds} rounds of {} in turn", names.join(", "))?;
    for target in &comparison.targets {
        let sum = |part: fn(&crate::bench::result::Requests) -> u64| -> u64 {
            target
                .runs
                .iter()
                .map(|run| part(&run.total.requests))
                .sum()
        };
        let urls: Vec<&str> = match target.runs.first() {
            Some(run) => run.options.targets.iter().map(|t| &*t.url).collect(),
            None => Vec::new(),
        };
        writeln!(
            out,
            "  {}: {}: {} requests succeeded, {} failed",
            target.name,
            urls.join(" "),
            units::grouped(sum(|requests| requests.succeeded)),
            units::grouped(sum(|requests| requests.failed)),
        )?;
    }
    let first = names.first().copied().unwrap_or_default();
    for (index, name) in names.iter().enumerate().skip(1) {
        writeln!(out)?;
        table(out, comparison, index, first, name)?;
    }
    writeln!(out)?;
    legend(out, comparison)
}

fn table(
    out: &mut String,
    comparison: &Comparison,
    index: usize,
    first: &str,
    name: &str,
) -> std::fmt::Result {
    let mut rows = vec![[
        String::new(),
        format!("{first}: median (lowest-highest)"),
        name.to_owned(),
        format!("{name} / {first} (95 %)"),
        String::new(),
    ]];
    for compared in &comparison.figures {
        if let Some(row) = row(compared, index) {
            rows.push(row);
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..4).filter_map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:width$}  ")?;
        }
        writeln!(out, "{}", format!("{line}{}", row[4]).trim_end())?;
    }
    Ok(())
}

fn row(compared: &ComparedFigure, index: usize) -> Option<[String; 5]> {
    let figure = known(compared)?;
    let (first, other) = (compared.targets.first()?, compared.targets.get(index)?);
    let against = other.against_first?;
    Some([
        figure.label.to_owned(),
        spread(figure, first),
        spread(figure, other),
        ratio(&against),
        verdict(&against, figure).to_owned(),
    ])
}

/// The definition of a figure in a result.
pub(in crate::bench) fn known(compared: &ComparedFigure) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.name == compared.figure)
}

/// Median, lowest and highest.
pub(in crate::bench) fn spread(figure: &Figure, of: &FigureOf) -> String {
    let show = |value| figure.unit.show(value);
    format!(
        "{} ({}-{})",
        show(of.median),
        show(of.lowest),
        show(of.highest)
    )
}

/// A ratio with its interval.
pub(in crate::bench) fn ratio(against: &Against) -> String {
    let show = |ratio: f64| match ratio {
        ratio if ratio < 10.0 => format!("{ratio:.3}"),
        ratio => units::digits(ratio),
    };
    match against.interval {
        Some((low, high)) => format!("{} ({}-{})", show(against.ratio), show(low), show(high)),
        None => show(against.ratio),
    }
}

/// A verdict in words.
pub(in crate::bench) fn verdict(against: &Against, figure: &Figure) -> &'static str {
    use crate::bench::figures::Better::Higher;
    match (against.verdict, figure.better) {
        (Verdict::NoDifference, _) => "no difference",
        (Verdict::TooFewRounds, _) => "too few rounds to tell",
        (Verdict::Better, Higher) => "better: higher",
        (Verdict::Better, _) => "better: lower",
        (Verdict::Worse, Higher) => "WORSE: lower",
        (Verdict::Worse, _) => "WORSE: higher",
    }
}

fn legend(out: &mut String, comparison: &Comparison) -> std::fmt::Result {
    if comparison.figures.is_empty() {
        return writeln!(
            out,
            "No figure rests on enough requests in every run to be compared."
        );
    }
    if comparison.rounds < comparison.least_rounds {
        writeln!(
            out,
            "A difference can be told from chance with --rounds {} or more.",
            comparison.least_rounds
        )?;
    }
    writeln!(
        out,
        "Ratios: geometric mean of the rounds' ratios; {:.0} % interval by bootstrap, seed {}. A difference is \
         one\nabove {:.0} % that chance makes in any of the figures in less than {:.0} of 100 comparisons.",
        comparison.confidence * 100.0,
        comparison.seed,
        LEAST_DIFFERENCE * 100.0,
        comparison.error_probability * 100.0
    )
}
