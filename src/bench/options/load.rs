//! How much load: connections, requests, rates, ramps.

use std::time::Duration;

use super::error::{conflict, out_of_range};
use super::{Load, OptionsError};
use crate::bench::args::LoadArgs;

/// How long load is made when nothing is said.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// Most connections: what ports allow, with some addresses.
const MAX_CONNECTIONS: u32 = 1 << 20;
/// The highest rate, per second: a nanosecond has to lie between two requests.
const MAX_RATE: f64 = 1e9;

/// How requests come, and the most connections.
pub(super) fn load(args: &LoadArgs) -> Result<(Load, u32), OptionsError> {
    let given = args.connections;
    if given.is_some_and(|given| !(1..=MAX_CONNECTIONS).contains(&given)) {
        let given = given.unwrap_or_default();
        return Err(out_of_range("--connections", "1 to 1,048,576", given));
    }
    let connections = given.unwrap_or(1);
    let duration = args.duration.map_or(DEFAULT_DURATION, |time| time.0);
    if duration.is_zero() {
        return Err(out_of_range("--duration", "longer than 0", "0"));
    }
    let steps = args.steps.as_deref().map(steps).transpose()?;
    if let Some(requests) = args.requests {
        let counted = "with --requests the run ends when so many are made";
        if requests == 0 {
            return Err(out_of_range("--requests", "at least 1", requests));
        }
        if args.duration.is_some() {
            return Err(conflict("--requests", "--duration", counted));
        }
        if args.rate.is_some() {
            return Err(conflict(
                "--requests",
                "--rate",
                "a rate goes with --duration",
            ));
        }
        if steps.is_some() {
            return Err(conflict(
                "--requests",
                "--steps",
                "each step takes --duration",
            ));
        }
        return Ok((Load::Requests(requests), connections));
    }
    match (args.rate, steps) {
        (Some(_), Some(_)) => Err(conflict("--rate", "--steps", "a ramp says its own rates")),
        (Some(rate), None) => Ok((
            Load::Open {
                duration,
                rates: vec![checked_rate(rate)?],
            },
            connections,
        )),
        (None, Some(Steps::Rates(rates))) => Ok((Load::Open { duration, rates }, connections)),
        (None, Some(Steps::Connections(_))) if given.is_some() => Err(conflict(
            "--connections",
            "--steps connections:",
            "a ramp says its own connections",
        )),
        (None, Some(Steps::Connections(connections))) => {
            let most = connections.iter().copied().max().unwrap_or(1);
            Ok((
                Load::Closed {
                    duration,
                    connections,
                },
                most,
            ))
        }
        (None, None) => Ok((
            Load::Closed {
                duration,
                connections: vec![connections],
            },
            connections,
        )),
    }
}

fn checked_rate(rate: f64) -> Result<f64, OptionsError> {
    if rate > 0.0 && rate <= MAX_RATE {
        Ok(rate)
    } else {
        Err(out_of_range("--rate", "above 0, at most 1e9", rate))
    }
}

enum Steps {
    Rates(Vec<f64>),
    Connections(Vec<u32>),
}

fn steps(text: &str) -> Result<Steps, OptionsError> {
    let wrong = || OptionsError::Steps(text.to_owned());
    let (kind, list) = text.split_once(':').ok_or_else(wrong)?;
    let numbers = list.split(',').map(str::trim);
    match kind {
        "rate" => {
            let rate = |number: &str| checked_rate(number.parse().map_err(|_| wrong())?);
            numbers
                .map(rate)
                .collect::<Result<_, _>>()
                .map(Steps::Rates)
        }
        "connections" => {
            let connections = |number: &str| {
                let number = number.parse().map_err(|_| wrong())?;
                let fits = (1..=MAX_CONNECTIONS).contains(&number);
                fits.then_some(number).ok_or_else(wrong)
            };
            let steps = numbers.map(connections).collect::<Result<_, _>>();
            steps.map(Steps::Connections)
        }
        _ => Err(wrong()),
    }
}
