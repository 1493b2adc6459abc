//! The targets of a comparison, each with the options of its runs.

use super::error::out_of_range;
use super::{Options, OptionsError};
use crate::bench::args::{Args, CompareArgs, Named};

/// Rounds when nothing is said: two more than it takes to find a difference.
const DEFAULT_ROUNDS: usize = 10;
/// Most rounds: every one of them is kept in memory.
const MAX_ROUNDS: usize = 1_000;

/// A target of a comparison.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// What a run of it is to do.
    pub options: Options,
}

/// How often which targets are to be measured.
///
/// # Errors
/// See [`OptionsError`]; each says what to write instead.
pub fn compared(args: &CompareArgs) -> Result<(usize, Vec<Compared>), OptionsError> {
    let rounds = args.rounds.unwrap_or(DEFAULT_ROUNDS);
    if !(2..=MAX_ROUNDS).contains(&rounds) {
        return Err(out_of_range("--rounds", "2 to 1,000", rounds));
    }
    let mut runs: Vec<(String, Args)> = Vec::new();
    for Named { name, value } in &args.targets {
        if !runs.iter().any(|(known, _)| known == name) {
            let args = Args {
                load: args.load.clone(),
                ..Args::default()
            };
            runs.push((name.clone(), args));
        }
        of("target", name, &mut runs)?.urls.push(value.clone());
    }
    if runs.len() < 2 {
        return Err(OptionsError::OneTarget);
    }
    for Named { name, value } in &args.pid {
        let pid = value
            .parse()
            .map_err(|_| out_of_range("--pid", "NAME=PID with a process's number", value))?;
        of("--pid", name, &mut runs)?.pid.push(pid);
    }
    for Named { name, value } in &args.server_cgroup {
        of("--server-cgroup", name, &mut runs)?.server_cgroup = Some(value.into());
    }
    let target = |(name, args): (String, Args)| match Options::new(&args) {
        Ok(options) => Ok(Compared { name, options }),
        Err(error) => Err(OptionsError::Target {
            name,
            error: Box::new(error),
        }),
    };
    let targets: Result<_, _> = runs.into_iter().map(target).collect();
    Ok((rounds, targets?))
}

/// The run of this name.
fn of<'a>(
    option: &'static str,
    name: &str,
    runs: &'a mut [(String, Args)],
) -> Result<&'a mut Args, OptionsError> {
    let known: Vec<String> = runs.iter().map(|(name, _)| name.clone()).collect();
    let found = runs.iter_mut().find(|(known, _)| known == name);
    found
        .map(|(_, args)| args)
        .ok_or_else(|| OptionsError::NoSuchName {
            option,
            name: name.to_owned(),
            known: known.join(", "),
        })
}
