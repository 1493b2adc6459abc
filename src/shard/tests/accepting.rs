//! Accepting that fails.

use std::sync::mpsc::channel;

use rustix::io::Errno;

use super::{control, shard};
use crate::shard::shared::LISTENER;
use crate::uring::{Completion, Event, Owner};

#[test]
fn it_pauses_without_descriptors_and_not_for_what_befell_one_connection() {
    let root = tempfile::TempDir::new().unwrap();
    let (control, (reports, _reported)) = (control(), channel());
    let mut shard = shard(root.path(), &control, &reports);
    let owner = Owner {
        slot: LISTENER,
        generation: 0,
    };
    for (errno, pauses) in [
        (Errno::PERM, false),
        (Errno::PROTO, false),
        (Errno::NETDOWN, false),
        (Errno::CONNABORTED, false),
        (Errno::NOTSOCK, true),
        (Errno::MFILE, true),
    ] {
        shard.accept_from_ns = 0;
        let event = Event::Accepted {
            socket: Err(errno),
            more: true,
        };
        shard.dispatch(Completion { owner, event });
        assert_eq!(shard.accept_from_ns > 0, pauses, "{errno}");
    }
}
