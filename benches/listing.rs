//! Reading and writing a directory of 100,000 entries, and what a full listing of a million holds:
//! `cargo bench --bench listing`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, File};
use std::hint::black_box;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringlane::listing::{
    Directory, Entries, Entry, Format, Kind, Listing, MAX_ENTRIES, Pieces, Policy, Query, read,
};
use ringlane::uring::Opener;

const COUNT: usize = 100_000;

fn name(number: usize) -> String {
    format!("IMG_{number}.jpeg")
}

fn read_all(folder: &Path) -> Entries {
    let folder = File::open(folder).unwrap();
    let directory = Directory {
        descriptor: folder.as_fd(),
        root: folder.as_fd(),
        path: b"",
    };
    let mut opener = Opener::default();
    let mut open = |base: BorrowedFd<'_>, path: &[u8], resolve| opener.open(base, path, resolve);
    read(directory, Policy::default(), &mut open).unwrap()
}

/// Resident memory of this process in bytes (proc_pid_status(5)).
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    kib << 10
}

fn memory_of_the_most() {
    let before = resident_bytes();
    let mut entries = Entries::default();
    for number in 0..MAX_ENTRIES {
        assert!(entries.push(Entry {
            name: name(number).as_bytes(),
            kind: Kind::File,
            size: 1 << 20,
            modified_s: 1_795_306_171,
        }));
    }
    let listing = Listing::new(b"many", entries, Query::default(), Format::Html);
    let pieces = Pieces::new(&listing).count();
    let bytes = resident_bytes().saturating_sub(before);
    println!("{MAX_ENTRIES} entries, being written: {bytes} bytes resident, {pieces} pieces");
}

fn listing(criterion: &mut Criterion) {
    memory_of_the_most();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..COUNT {
        File::create(folder.path().join(name(number))).unwrap();
    }
    let entries = read_all(folder.path());
    assert_eq!(entries.len(), COUNT);

    let mut group = criterion.benchmark_group("100,000 entries");
    group.sample_size(10);
    group.throughput(Throughput::Elements(COUNT as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| read_all(black_box(folder.path())));
    });
    let query = Query::parse(b"order=desc");
    group.bench_function("sort", |bencher| {
        bencher.iter_batched(
            || entries.clone(),
            |entries| Listing::new(b"many", entries, query, Format::Html),
            BatchSize::LargeInput,
        );
    });
    for (format, label) in [(Format::Html, "html"), (Format::Json, "json")] {
        group.bench_function(format!("write {label}"), |bencher| {
            bencher.iter_batched(
                || Listing::new(b"many", entries.clone(), query, format),
                |listing| listing.into_iter().map(|piece| piece.len()).sum::<usize>(),
                BatchSize::LargeInput,
            );
        });
    }
    let listing = Listing::new(b"many", entries, query, Format::Html);
    group.bench_function("etag", |bencher| bencher.iter(|| listing.etag()));
    group.finish();
}

criterion_group!(benches, listing);
criterion_main!(benches);
