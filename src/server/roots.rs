//! The served folders, looked for again by their paths: what is there may be another folder than it was at the start, put
//! in its place (`ln -sfn v2 current`) or made anew by a build.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::{Config, open_root};
use crate::shard::Roots;

/// How often at most. Another folder shows as soon as another file does.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// Has a thread look for them again and again, for as long as the process runs: it may wait for a file system. `replaced` is
/// called when there are others.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn watch(
    config: &Config,
    roots: Arc<Roots>,
    replaced: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let interval = config.files().revalidate.max(LEAST_INTERVAL);
    let mounts = config.sites().mounts().iter();
    let paths: Vec<_> = mounts.map(|mount| mount.path.clone()).collect();
    let look = move || {
        loop {
            thread::sleep(interval);
            if look_again(&paths, &roots) {
                replaced();
            }
        }
    };
    thread::Builder::new().name("roots".into()).spawn(look)?;
    Ok(())
}

/// Opens the folder at each path, and takes it from now on where it is another. One that is not there now may be being
/// replaced. Whether there are others now.
fn look_again(paths: &[impl AsRef<Path>], roots: &Roots) -> bool {
    let current = roots.load();
    let mut others = false;
    let looked_at = paths.iter().zip(current.iter()).map(|(path, root)| {
        let path = path.as_ref();
        match open_root(path) {
            Ok(found) if !is_same(&found, root) => {
                tracing::info!("{} is another folder now", path.display());
                others = true;
                Ok(found)
            }
            _ => root.try_clone(),
        }
    });
    // Without descriptors all stay as they are, until the next look.
    let looked_at: io::Result<Vec<_>> = looked_at.collect();
    match looked_at {
        Ok(looked_at) if others => {
            roots.store(Arc::new(looked_at));
            true
        }
        _ => false,
    }
}

/// Whether both are the same folder. One that cannot be told stays.
fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn another_folder_is_found_and_one_that_is_gone_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for name in ["v1", "v2", "built"] {
            fs::create_dir(at(name)).unwrap();
        }
        symlink("v1", at("current")).unwrap();
        let paths = [at("current"), at("built")];
        let opened = paths.iter().map(|path| open_root(path).unwrap());
        let roots = Roots::from_pointee(opened.collect());
        let are = |names: [&str; 2]| {
            look_again(&paths, &roots);
            let roots = roots.load();
            let mut pairs = roots.iter().zip(names);
            pairs.all(|(root, name)| is_same(root, &open_root(&at(name)).unwrap()))
        };
        let before = roots.load_full();
        assert!(are(["v1", "built"]));
        assert!(Arc::ptr_eq(&before, &roots.load()));

        fs::remove_file(at("current")).unwrap();
        assert!(are(["v1", "built"]));
        symlink("v2", at("current")).unwrap();
        assert!(are(["v2", "built"]));

        // The old one is still open, so that a new one has another inode.
        fs::remove_dir(at("built")).unwrap();
        fs::create_dir(at("built")).unwrap();
        assert!(!is_same(
            &roots.load()[1],
            &open_root(&at("built")).unwrap()
        ));
        assert!(are(["v2", "built"]));
    }
}
