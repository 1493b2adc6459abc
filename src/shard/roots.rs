//! The served directories, as a shard has them: descriptors of its own, made anew when they were swapped.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use super::Roots;
use crate::site::MountId;

#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(super) struct OwnRoots {
    given: Arc<Roots>,
    /// Those of which these are copies.
    taken: Arc<Vec<OwnedFd>>,
    own: Vec<Rc<OwnedFd>>,
}

impl OwnRoots {
    /// Copies of those that are given now.
    ///
    /// # Errors
    /// When there are no descriptors for them.
    pub(super) fn new(given: Arc<Roots>) -> io::Result<Self> {
        let taken = given.load_full();
        let own = copies(&taken)?;
        Ok(Self { given, taken, own })
    }

    /// The directory of a mount.
    pub(super) fn get(&mut self, mount: MountId) -> Rc<OwnedFd> {
        self.renew();
        Rc::clone(&self.own[mount.index()])
    }

    /// All of them as they were given, for work beside the shard: it takes no descriptors.
    pub(super) fn given(&mut self) -> Arc<Vec<OwnedFd>> {
        self.renew();
        Arc::clone(&self.taken)
    }

    /// Takes those that are given now; the ones before are closed.
    pub(super) fn renew(&mut self) {
        let given = self.given.load();
        if !Arc::ptr_eq(&given, &self.taken) {
            // Without descriptors the ones before do, until there are some again.
            if let Ok(own) = copies(&given) {
                self.own = own;
                self.taken = Arc::clone(&given);
            }
        }
    }
}

fn copies(roots: &[OwnedFd]) -> io::Result<Vec<Rc<OwnedFd>>> {
    let copies = roots.iter().map(OwnedFd::try_clone);
    copies.map(|copy| copy.map(Rc::new)).collect()
}
