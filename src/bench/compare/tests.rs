//! Runs that are made up, and what is said of them.

use super::*;
use crate::bench::figures::FIGURES;
use crate::bench::testing::run_result;

/// Rounds of two servers: so much slower is the second, with noise of some percent.
fn rounds(count: usize, slower: f64) -> Vec<(String, Vec<RunResult>)> {
    let run = |index: usize, factor: f64| {
        let noise = 1.0 + ((index * 7919 + 13) % 17) as f64 / 400.0;
        run_result(1_000_000.0 * factor * noise)
    };
    let first = (0..count).map(|round| run(2 * round, 1.0)).collect();
    let second = (0..count).map(|round| run(2 * round + 1, slower)).collect();
    vec![("A".to_owned(), first), ("B".to_owned(), second)]
}

fn verdicts(comparison: &Comparison) -> Vec<Verdict> {
    let all = comparison.figures.iter();
    all.map(|figure| figure.targets[1].against_first.unwrap().verdict)
        .collect()
}

#[test]
fn alike_and_not() {
    let alike = Comparison::new(rounds(10, 1.0)).unwrap();
    assert!(alike.figures.len() >= 10);
    assert!(!alike.finds_a_difference());
    assert!(verdicts(&alike).iter().all(|v| *v == Verdict::NoDifference));
    let slower = Comparison::new(rounds(10, 1.3)).unwrap();
    assert!(
        verdicts(&slower).iter().all(|v| *v == Verdict::Worse),
        "{}",
        super::text(&slower)
    );
    let faster = Comparison::new(rounds(10, 0.8)).unwrap();
    assert!(verdicts(&faster).iter().all(|v| *v == Verdict::Better));
    let few = Comparison::new(rounds(7, 2.0)).unwrap();
    assert!(verdicts(&few).iter().all(|v| *v == Verdict::TooFewRounds));
    assert!(!few.finds_a_difference());
    let ratio = few.figures[0].targets[1].against_first.unwrap();
    assert!((ratio.ratio - 0.5).abs() < 0.03 && ratio.interval.is_some());
}

#[test]
fn less_than_a_hundredth_is_no_difference() {
    let mut rounds = rounds(12, 1.0);
    // The same in every round: however sure it is.
    let faster = |run: &RunResult| {
        let mut run = run.clone();
        run.total.requests_per_s *= 1.005;
        run
    };
    rounds[1].1 = rounds[0].1.iter().map(faster).collect();
    let comparison = Comparison::new(rounds).unwrap();
    let against = comparison.figures[0].targets[1].against_first.unwrap();
    assert!(against.probability <= 0.01 && against.verdict == Verdict::NoDifference);
}

#[test]
fn nothing_at_all_and_failures_of_one_target_are_figures() {
    let of = |rounds, name: &str| {
        let comparison = Comparison::new(rounds).unwrap();
        let figures = comparison.figures.into_iter();
        let against = |figure: ComparedFigure| figure.targets[1].against_first.unwrap();
        figures
            .filter(|figure| figure.figure == name)
            .map(against)
            .next()
    };
    let (content, succeeded) = ("body_bytes_per_s", "succeeded_share");
    assert_eq!(of(rounds(10, 1.0), succeeded), None);
    let mut rounds = rounds(10, 1.0);
    for run in &mut rounds[1].1 {
        run.total.body_bytes_per_s = 0.0;
        run.total.requests.failed = run.total.requests.succeeded;
    }
    let against = of(rounds.clone(), content).unwrap();
    assert_eq!(against.verdict, Verdict::Worse);
    assert!((against.ratio - 1e-6).abs() < 1e-9, "{against:?}");
    let against = of(rounds.clone(), succeeded).unwrap();
    assert_eq!(against.verdict, Verdict::Worse);
    assert!((against.ratio - 0.5).abs() < 1e-9, "{against:?}");
    rounds.swap(0, 1);
    let against = of(rounds.clone(), content).unwrap();
    assert_eq!(against.verdict, Verdict::Better);
    assert!((against.ratio - 1e6).abs() < 1.0, "{against:?}");
    rounds[1].1 = rounds[0].1.clone();
    assert_eq!(of(rounds, content), None);
    // Nothing in one of two rounds.
    let mut rounds = self::rounds(2, 1.0);
    rounds[0].1[0].total.body_bytes_per_s = 0.0;
    let (low, high) = of(rounds, content).unwrap().interval.unwrap();
    assert!((0.9e-6..1.0).contains(&low) && (1.0..=1e6).contains(&high));
}

#[test]
fn rounds_that_are_not_whole_do_not_count() {
    let mut rounds = rounds(9, 1.0);
    rounds[1].1.pop();
    let comparison = Comparison::new(rounds).unwrap();
    assert_eq!(comparison.rounds, 8);
    assert!(
        comparison
            .targets
            .iter()
            .all(|target| target.runs.len() == 8)
    );
    assert_eq!(Comparison::new(vec![("A".to_owned(), Vec::new())]), None);
}

#[test]
fn it_is_written_and_read() {
    let comparison = Comparison::new(rounds(3, 1.5)).unwrap();
    let text = serde_json::to_string(&comparison).unwrap();
    let read: Comparison = serde_json::from_str(&text).unwrap();
    assert_eq!((read.rounds, verdicts(&read)), (3, verdicts(&comparison)));
    let said = super::text(&comparison);
    assert!(
        said.contains("A, B in turn") && said.contains("--rounds 8"),
        "{said}"
    );
    assert!(
        said.contains("0.66") && said.contains("too few rounds"),
        "{said}"
    );
    for figure in &comparison.figures {
        let known = FIGURES.iter().find(|known| known.name == figure.figure);
        assert!(said.contains(known.unwrap().label), "{said}");
    }
}

#[test]
fn medians() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[1.0, 2.0]), Some(1.5));
    assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
}
