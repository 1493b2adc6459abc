//! What is listed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, UNIX_EPOCH};

use ringlane::listing::{CHUNK_BYTES, Directory, Format, Kind, Listing, Policy, Query, Symlinks};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, mknodat, openat2};

use super::folder::{EVERYTHING, Folder, read};

fn symlinks(symlinks: Symlinks) -> Policy {
    Policy {
        symlinks,
        ..Policy::default()
    }
}

#[test]
fn files_and_directories_and_nothing_else() {
    let root = Folder::new();
    root.file(b"file", 1234);
    root.directory(b"folder");
    root.file(b"folder/within", 1);
    mknodat(CWD, root.path(b"pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(root.path(b"socket")).unwrap();
    root.link(b"to-pipe", "pipe");
    assert_eq!(root.listed(b"", EVERYTHING), "folder/ file");
    assert_eq!(root.listed(b"folder", EVERYTHING), "within");
}

#[test]
fn sizes_and_times_are_those_of_the_file() {
    let root = Folder::new();
    root.file(b"file", 1234);
    root.directory(b"folder");
    for (secs, modified_s) in [(784_111_777, 784_111_777), (-5, -5)] {
        let moment = match u64::try_from(secs) {
            Ok(secs) => UNIX_EPOCH + Duration::from_secs(secs),
            Err(_) => UNIX_EPOCH - Duration::from_secs(5),
        };
        let file = File::options()
            .write(true)
            .open(root.path(b"file"))
            .unwrap();
        file.set_modified(moment).unwrap();
        let entries = root.read(b"", Policy::default()).unwrap();
        let file = entries.iter().find(|entry| entry.name == b"file").unwrap();
        assert_eq!((file.kind, file.size), (Kind::File, 1234));
        assert_eq!(file.modified_s, modified_s);
    }
    let entries = root.read(b"", Policy::default()).unwrap();
    let folder = entries
        .iter()
        .find(|entry| entry.name == b"folder")
        .unwrap();
    assert_eq!((folder.kind, folder.size), (Kind::Directory, 0));
}

#[test]
fn hidden_names_are_listed_only_where_the_policy_says_so() {
    let root = Folder::new();
    root.file(b".env", 1);
    root.file(b"..name", 1);
    root.directory(b".git");
    root.file(b"a.b", 1);
    assert_eq!(root.listed(b"", Policy::default()), "a.b");
    assert_eq!(root.listed(b"", EVERYTHING), ".git/ ..name .env a.b");
}

/// A root inside a folder that also has something beside it.
fn linked() -> (Folder, Folder) {
    let outside = Folder::new();
    outside.file(b"secret", 99);
    let root = Folder::new();
    root.file(b"file", 7);
    root.directory(b"folder");
    root.directory(b"folder/deeper");
    let out_and_in = format!(
        "../../{}/file",
        root.path(b"").file_name().unwrap().to_string_lossy()
    );
    for (name, target) in [
        (&b"folder/to-file"[..], "../file".to_owned()),
        (b"folder/to-root", "..".to_owned()),
        (
            b"folder/up-and-down",
            "../folder/deeper/../../file".to_owned(),
        ),
        (b"folder/to-link", "to-file".to_owned()),
        (b"folder/to-deeper", "deeper".to_owned()),
        (b"folder/dangling", "nowhere".to_owned()),
        (b"folder/loop", "loop".to_owned()),
        (
            b"folder/absolute",
            root.path(b"file").to_string_lossy().into_owned(),
        ),
        (
            b"folder/outside",
            outside.path(b"secret").to_string_lossy().into_owned(),
        ),
        (
            b"folder/outside-folder",
            outside.path(b"").to_string_lossy().into_owned(),
        ),
        (b"folder/out-and-in", out_and_in),
        (b"folder/magic", "/proc/self/exe".to_owned()),
        (
            b"folder/climbs",
            "../../../../../../../../etc/passwd".to_owned(),
        ),
    ] {
        root.link(name, &target);
    }
    (root, outside)
}

#[test]
fn links_are_followed_beneath_the_root_by_default() {
    let (root, _outside) = linked();
    let listed = root.listed(b"folder", Policy::default());
    assert_eq!(
        listed,
        "deeper/ to-deeper/ to-root/ to-file to-link up-and-down"
    );
    let entries = root.read(b"folder", Policy::default()).unwrap();
    let link = entries
        .iter()
        .find(|entry| entry.name == b"to-link")
        .unwrap();
    assert_eq!((link.kind, link.size), (Kind::File, 7));
    // The folder as the root of its own: nothing above it is beneath.
    let descriptor = root.open(b"folder");
    let directory = Directory {
        descriptor: descriptor.as_fd(),
        root: descriptor.as_fd(),
        path: b"",
    };
    let entries = read(directory, Policy::default()).unwrap();
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(names, BTreeSet::from([&b"deeper"[..], b"to-deeper"]));
}

#[test]
fn links_are_followed_nowhere_or_anywhere_where_the_policy_says_so() {
    let (root, _outside) = linked();
    assert_eq!(root.listed(b"folder", symlinks(Symlinks::None)), "deeper/");
    let listed = root.listed(b"folder", symlinks(Symlinks::All));
    for name in [
        "absolute",
        "climbs",
        "out-and-in",
        "outside",
        "outside-folder/",
        "to-file",
        "to-root/",
    ] {
        assert!(
            listed.split(' ').any(|listed| listed == name),
            "{name} in {listed}"
        );
    }
    for name in ["dangling", "loop", "magic"] {
        assert!(
            !listed.split(' ').any(|listed| listed == name),
            "{name} in {listed}"
        );
    }
}

#[test]
fn what_is_listed_can_be_opened() {
    let (root, _outside) = linked();
    for (policy, resolve) in [
        (Symlinks::Beneath, ResolveFlags::BENEATH),
        (
            Symlinks::None,
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        ),
        (Symlinks::All, ResolveFlags::empty()),
    ] {
        let entries = root.read(b"folder", symlinks(policy)).unwrap();
        let listed: BTreeSet<_> = entries.iter().map(|entry| entry.name.to_vec()).collect();
        let base = root.open(b"");
        for entry in fs::read_dir(root.path(b"folder")).unwrap() {
            let name = entry.unwrap().file_name().into_encoded_bytes();
            let path = [b"folder/", &name[..]].concat();
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
            let opened = openat2(&base, path, flags, Mode::empty(), resolve);
            assert_eq!(
                opened.is_ok(),
                listed.contains(&name),
                "{policy:?} {}",
                name.escape_ascii()
            );
        }
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error() {
    let root = Folder::new();
    root.directory(b"gone");
    root.file(b"file", 1);
    let descriptor = root.open(b"gone");
    fs::remove_dir(root.path(b"gone")).unwrap();
    let file = File::open(root.path(b"file")).unwrap();
    for (descriptor, kind) in [
        (descriptor.as_fd(), io::ErrorKind::NotFound),
        (file.as_fd(), io::ErrorKind::NotADirectory),
    ] {
        let directory = Directory {
            descriptor,
            root: descriptor,
            path: b"",
        };
        let error = read(directory, Policy::default()).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[test]
fn the_descriptor_is_shared_with_other_requests() {
    let root = Folder::new();
    for number in 0..1000 {
        root.file(format!("{number}").as_bytes(), 0);
    }
    let mut descriptor = File::open(root.path(b"")).unwrap();
    let directory = Directory {
        descriptor: descriptor.as_fd(),
        root: descriptor.as_fd(),
        path: b"",
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| read(directory, Policy::default()).unwrap().len()))
            .collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 1000);
        }
    });
    assert_eq!(descriptor.stream_position().unwrap(), 0);
}

#[test]
fn entries_that_come_and_go_meanwhile_are_listed_or_not() {
    let root = Folder::new();
    for number in 0..500 {
        root.file(format!("stays{number}").as_bytes(), 3);
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let path = root.path(b"goes");
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for step in 0..50 {
                    fs::write(path.with_extension(step.to_string()), "").unwrap();
                }
                for step in 0..50 {
                    fs::remove_file(path.with_extension(step.to_string())).unwrap();
                }
            }
        });
        for _ in 0..50 {
            let entries = root.read(b"", Policy::default()).unwrap();
            let stayed = entries
                .iter()
                .filter(|entry| entry.name.starts_with(b"stays"));
            assert_eq!(stayed.filter(|entry| entry.size == 3).count(), 500);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_hundred_thousand_entries_are_written_piece_by_piece() {
    const COUNT: usize = 100_000;
    let root = Folder::new();
    root.directory(b"many");
    // Names of a few files, so that most of the time is not that of making inodes; ext4 allows 65,000 for one.
    for number in 0..COUNT {
        let path = root.path(format!("many/file{number}.txt").as_bytes());
        let linked = number / 50_000 * 50_000;
        if number == linked {
            fs::write(path, "x").unwrap();
        } else {
            let linked = root.path(format!("many/file{linked}.txt").as_bytes());
            fs::hard_link(linked, path).unwrap();
        }
    }
    let entries = root.read(b"many", Policy::default()).unwrap();
    assert_eq!(entries.len(), COUNT);
    assert!(!entries.is_truncated());
    let query = Query::parse(b"order=desc");
    for (format, mark) in [(Format::Html, "\">file"), (Format::Json, "\"href\":\"file")] {
        let mut listed = 0;
        let mut expected = (0..COUNT).rev();
        for piece in Listing::new(b"many", entries.clone(), query, format) {
            assert!(piece.len() <= CHUNK_BYTES);
            for name in str::from_utf8(&piece).unwrap().split(mark).skip(1) {
                let (number, _) = name.split_once('.').unwrap();
                assert_eq!(number.parse().ok(), expected.next());
                listed += 1;
            }
        }
        assert_eq!(listed, COUNT);
    }
}
