//! Which cores the shards are pinned to.

use std::num::NonZeroUsize;

use super::ConfigError;
use super::values::{CoreList, display_cores};

/// The cores in the calling thread's affinity mask, ascending: what cgroups, `taskset` and systemd left of the
/// machine's. Ask before pinning anything, or it is the pinned thread's mask.
///
/// # Errors
/// [`ConfigError::NoCores`] when the mask cannot be read.
pub fn available() -> Result<Vec<usize>, ConfigError> {
    let ids = core_affinity::get_core_ids().unwrap_or_default();
    let mut cores: Vec<usize> = ids.into_iter().map(|core| core.id).collect();
    cores.sort_unstable();
    if cores.is_empty() {
        return Err(ConfigError::NoCores);
    }
    Ok(cores)
}

/// The first `shards` of the cores asked for, or of all.
pub(super) fn choose(
    available: &[usize],
    asked: Option<&CoreList>,
    shards: Option<NonZeroUsize>,
) -> Result<Vec<usize>, ConfigError> {
    let mut cores = match asked {
        None => available.to_vec(),
        Some(list) => list.cores().to_vec(),
    };
    let missing: Vec<usize> = cores
        .iter()
        .copied()
        .filter(|core| !available.contains(core))
        .collect();
    if !missing.is_empty() {
        return Err(ConfigError::CoresUnavailable {
            asked: display_cores(&missing),
            available: display_cores(available),
        });
    }
    if let Some(shards) = shards.map(NonZeroUsize::get) {
        if shards > cores.len() {
            return Err(ConfigError::TooManyShards {
                shards,
                count: cores.len(),
                cores: display_cores(&cores),
            });
        }
        cores.truncate(shards);
    }
    Ok(cores)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ask(cores: &str, shards: usize) -> Result<Vec<usize>, String> {
        let list = (!cores.is_empty()).then(|| cores.parse().unwrap());
        choose(&[0, 2, 3, 8], list.as_ref(), NonZeroUsize::new(shards)).map_err(|e| e.to_string())
    }

    #[test]
    fn chooses_within_the_mask() {
        assert_eq!(ask("", 0), Ok(vec![0, 2, 3, 8]));
        assert_eq!(ask("", 2), Ok(vec![0, 2]));
        assert_eq!(ask("3,8", 1), Ok(vec![3]));
    }

    #[test]
    fn refuses_what_is_not_there() {
        let error = ask("0-3", 0).unwrap_err();
        assert!(
            error.contains("cores 1 are") && error.contains("0,2-3,8"),
            "{error}"
        );
        let error = ask("0,2", 3).unwrap_err();
        assert!(
            error.contains("3 shards") && error.contains("2 (0,2)"),
            "{error}"
        );
    }
}
