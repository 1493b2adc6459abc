//! Reading, opening, mapping, populating.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::*;

#[test]
fn a_read_fills_its_segments_and_ends_with_the_file() {
    let mut ring = ring();
    let content = pattern(1_000);
    let file = file(&content);
    let mut gather = gather(&ring, 4_096);
    let segments = [10..20, 100..400, 1_000..3_000];
    for (offset, expected) in [(0, 1_000), (900, 100), (1_000, 0)] {
        ring.read(shared(&file), gather, &segments, offset, OWNER);
        let Event::Read {
            gather: back,
            result,
        } = event(&mut ring)
        else {
            panic!("not a read");
        };
        assert_eq!(result, Ok(expected));
        let buffer = back.buffer().unwrap();
        let read = segments.iter().flat_map(|segment| &buffer[segment.clone()]);
        assert!(
            read.take(expected)
                .eq(&content[offset as usize..offset as usize + expected])
        );
        gather = back;
    }
}

#[test]
fn the_size_of_a_file_is_told_as_it_is_now() {
    let ring = ring();
    let file = file(&pattern(1_000));
    assert_eq!(ring.size(file.as_fd()), Ok(1_000));
    for len in [10, 0, 5_000_000_000] {
        file.set_len(len).unwrap();
        assert_eq!(ring.size(file.as_fd()), Ok(len));
    }
}

#[test]
fn reading_now_fills_segments_and_knows_the_end() {
    let content = pattern(100_000);
    let file = file(&content);
    let mut buffer = vec![0; 120_000];
    // More segments than one call takes.
    let segments: Vec<_> = (0..100).map(|i| i * 1_200..i * 1_200 + 1_000).collect();
    let read = match read_now(file.as_fd(), &mut buffer, &segments, 500, Pages::Keep) {
        Ok(read) => read,
        Err(errno) => return cannot_tell(errno),
    };
    assert_eq!(read, 99_500);
    let got = segments.iter().flat_map(|segment| &buffer[segment.clone()]);
    assert!(got.take(read).eq(&content[500..]));
    assert_eq!(
        read_now(file.as_fd(), &mut buffer, &segments, 100_000, Pages::Keep),
        Ok(0)
    );
    assert!(resident_now(file.as_fd(), 0..100_000));
    assert!(!resident_now(file.as_fd(), 0..100_001));
}

#[test]
#[should_panic(expected = "segments ascend")]
fn reading_now_refuses_segments_that_overlap() {
    let _ = read_now(
        file(b"x").as_fd(),
        &mut [0; 10],
        &[0..5, 4..6],
        0,
        Pages::Keep,
    );
}

#[test]
fn files_are_opened_beneath_the_root_only() {
    let mut ring = ring();
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path();
    std::fs::create_dir_all(path.join("root/inner")).unwrap();
    std::fs::write(path.join("outside"), "no").unwrap();
    std::fs::write(path.join("root/inner/file"), "yes").unwrap();
    std::os::unix::fs::symlink("../outside", path.join("root/escape")).unwrap();
    std::os::unix::fs::symlink("inner/file", path.join("root/alias")).unwrap();
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, path.join("root"), flags, Mode::empty()).unwrap();
    let root = Rc::new(root);
    for (path, expected) in [
        (c"inner/file", Ok(3)),
        (c"alias", Ok(3)),
        (c"inner/../alias", Ok(3)),
        (c"missing", Err(Errno::NOENT)),
        (c"../outside", Err(Errno::XDEV)),
        (c"escape", Err(Errno::XDEV)),
        (c"/etc/passwd", Err(Errno::XDEV)),
    ] {
        ring.open(Rc::clone(&root), path.to_owned(), Resolve::Beneath, OWNER);
        let Event::Opened { file } = event(&mut ring) else {
            panic!("not opened");
        };
        let len = |file: OwnedFd| rustix::fs::fstat(file).unwrap().st_size;
        assert_eq!(file.map(len), expected, "{path:?}");
        // Looked up a moment ago: what there is of the way is known. A file system may be unable to tell.
        match ring.open_now(root.as_fd(), path, Resolve::Beneath) {
            Err(Errno::AGAIN) => println!("{path:?} cannot be opened at once"),
            file => assert_eq!(file.map(len), expected, "{path:?}"),
        }
    }
    assert_eq!(Rc::strong_count(&root), 1);
}

#[test]
fn pages_can_be_brought_in() {
    let mut ring = ring();
    let file = file(&pattern(300_000));
    let mapping = Rc::new(Mapping::new(file.as_fd(), 300_000).unwrap());
    assert_eq!(mapping.len(), 300_000);
    ring.populate(Rc::clone(&mapping), 5_000..300_000, OWNER);
    assert!(matches!(
        event(&mut ring),
        Event::Populated { result: Ok(()) }
    ));
    assert!(mapping.knows_residency() && mapping.resident(5_000..300_000));
    assert!(!mapping.resident(0..300_001));
    assert!(mapping.resident(10..10));
    assert_eq!(Rc::strong_count(&mapping), 1);
}

#[test]
fn residency_is_not_claimed_where_the_kernel_does_not_tell() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let file = file(b"x");
    // SAFETY: changes the file system identity of this thread only, and takes it back.
    unsafe { libc::setfsuid(65_534) };
    let mapping = Mapping::new(file.as_fd(), 1).unwrap();
    // SAFETY: as above.
    unsafe { libc::setfsuid(0) };
    assert!(!mapping.knows_residency() && !mapping.resident(0..1));
    match read_now(
        file.as_fd(),
        &mut [0],
        std::slice::from_ref(&(0..1)),
        0,
        Pages::Keep,
    ) {
        Ok(read) => assert!(read == 1 && resident_now(file.as_fd(), 0..1)),
        Err(errno) => cannot_tell(errno),
    }
}

/// A file system that never reads without waiting: tmpfs does before Linux 6.2 or so.
fn cannot_tell(errno: Errno) {
    assert!(matches!(errno, Errno::AGAIN | Errno::OPNOTSUPP), "{errno}");
    println!("the temporary directory's file system cannot tell what is in memory");
}

#[test]
fn a_file_truncated_under_its_mapping_is_an_error_and_no_signal() {
    let mut ring = ring();
    let file = file(&pattern(100_000));
    let mapping = Rc::new(Mapping::new(file.as_fd(), 100_000).unwrap());
    file.set_len(4_096).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut gather = gather(&ring, 100);
    gather.push_buffer(0..9);
    gather.push_mapped(&mapping, 0..100_000);
    ring.send(ours.as_fd(), gather, OWNER);
    let Event::Sent { mut gather, result } = event(&mut ring) else {
        panic!("not sent");
    };
    match result {
        Ok(n) => assert!(n <= 9 + 4_096, "{n}"),
        Err(errno) => assert_eq!(errno, Errno::FAULT),
    }
    gather.clear();
    gather.push_mapped(&mapping, 8_192..100_000);
    ring.send(ours.as_fd(), gather, OWNER);
    assert!(matches!(
        event(&mut ring),
        Event::Sent {
            result: Err(Errno::FAULT),
            ..
        }
    ));
    assert!(!mapping.resident(0..100_000));
    ring.populate(mapping, 0..100_000, OWNER);
    assert!(matches!(
        event(&mut ring),
        Event::Populated {
            result: Err(Errno::FAULT)
        }
    ));
}

#[test]
#[should_panic(expected = "lies in the mapping")]
fn a_stretch_outside_the_mapping_panics() {
    let mapping = Rc::new(Mapping::new(file(b"four").as_fd(), 4).unwrap());
    Gather::new().push_mapped(&mapping, 0..5);
}

#[test]
fn an_empty_file_has_no_mapping() {
    assert_eq!(
        Mapping::new(file(b"").as_fd(), 0).unwrap_err(),
        Errno::INVAL
    );
}

#[test]
fn dropped_pages_are_not_in_memory_and_nobody_is_told() {
    const BYTES: u64 = 1 << 20;
    let mut ring = ring();
    let file = file(&pattern(BYTES as usize));
    let mapping = Mapping::new(file.as_fd(), BYTES).unwrap();
    file.sync_all().unwrap();
    // A moment's hold on pages that were just written is no refusal, so it is asked again.
    for _ in 0..40 {
        // From the start: a large folio goes as a whole or not at all.
        ring.drop_pages(shared(&file), 0..BYTES);
        while ring.in_flight() > 0 {
            ring.wait(Duration::from_millis(10));
            assert!(ring.next().is_none());
        }
        if !mapping.resident(8_192..8_193) {
            return;
        }
    }
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    assert!(
        mapping.resident(8_192..8_193),
        "dropped when asked directly, but not through the ring"
    );
    println!("skipped: the file system keeps its pages, or does not tell");
}

#[test]
fn where_openat2_is_refused_the_operation_of_a_ring_stands_in_for_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "12345").unwrap();
    std::os::unix::fs::symlink("../..", folder.path().join("out")).unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let root = rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
    let look = || {
        let mut opener = Opener::default();
        for _ in 0..2 {
            for (path, found) in [
                (&b"file"[..], Ok(5)),
                (b"none", Err(Errno::NOENT)),
                (b"out", Err(Errno::XDEV)),
                (b"a\0b", Err(Errno::INVAL)),
            ] {
                let opened = opener.open(root.as_fd(), path, ResolveFlags::BENEATH);
                let len = opened.map(|file| rustix::fs::fstat(file).unwrap().st_size);
                assert_eq!(len, found, "{}", path.escape_ascii());
            }
        }
    };
    look();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            refuse_openat2();
            look();
        });
    });
}
