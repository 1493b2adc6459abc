//! Socket activation: the protocol of `sd_listen_fds(3)`.

use std::num::NonZeroU32;

use super::listen::{ListenError, Passed};
use crate::uring::inherit::inherited_fd;

/// The first passed descriptor (SD_LISTEN_FDS_START).
const FIRST: i32 = 3;

/// The sockets that whoever started this process passed to it, in their order; empty when there are none.
///
/// # Errors
/// [`ListenError::Passed`] when one that was announced is not there.
pub(super) fn passed_sockets() -> Result<Vec<Passed>, ListenError> {
    let names = announced(std::process::id(), |name| std::env::var(name).ok());
    (FIRST..)
        .zip(names)
        .map(|(fd, name)| {
            let socket = inherited_fd(fd).map_err(|error| ListenError::Passed {
                fd,
                reason: error.to_string(),
            })?;
            Ok(Passed { fd, socket, name })
        })
        .collect()
}

/// One name for each passed socket, empty where it has none. Nothing when the variables are for another process.
fn announced(pid: u32, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let for_us = variable("LISTEN_PID").and_then(|text| text.parse::<NonZeroU32>().ok());
    if for_us.map(NonZeroU32::get) != Some(pid) {
        return Vec::new();
    }
    let count = variable("LISTEN_FDS")
        .and_then(|text| text.parse::<u16>().ok())
        .unwrap_or(0);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (0..count)
        .map(|_| names.next().unwrap_or_default().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> Vec<String> {
        announced(42, |name| {
            let (_, value) = set.iter().find(|(key, _)| *key == name)?;
            Some((*value).to_owned())
        })
    }

    #[test]
    fn only_for_this_process() {
        assert!(with(&[]).is_empty());
        assert!(with(&[("LISTEN_PID", "41"), ("LISTEN_FDS", "1")]).is_empty());
        assert!(with(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "x")]).is_empty());
        assert_eq!(with(&[("LISTEN_PID", "42"), ("LISTEN_FDS", "1")]), [""]);
    }

    #[test]
    fn names_in_order_and_empty_where_missing() {
        let names = with(&[
            ("LISTEN_PID", "42"),
            ("LISTEN_FDS", "3"),
            ("LISTEN_FDNAMES", "http:https"),
        ]);
        assert_eq!(names, ["http", "https", ""]);
    }
}
