//! What every request goes through without an allocation: its fields are decoded (once warm; a decoder that has seen no
//! insertion owns no memory at all), its site and mount are found, CORS is answered, and a representation is chosen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use ringlane::h2::hpack::{Decoder, Indexing, Outcome, encode_field};
use ringlane::http::{
    Accept, AcceptEncoding, Coding, Digest, DigestAlgorithm, EntityTag, ListingType, Method,
    MultipartByteRanges, RangeOutcome, WantDigest, range,
};
use ringlane::site::{
    Builder, CertificateId, Cors, CorsRequest, Defaults, Mount, Origins, Symlinks,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to `System` unchanged; counting neither allocates nor unwinds (`try_with`).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` by `alloc` above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: `ptr` came from `System` by `alloc` above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// Fields with inserted names and values that evict each other, Huffman-coded and plain, some by index.
fn block(n: usize) -> Vec<u8> {
    let mut out = vec![0x82, 0x87];
    for field in 0..12 {
        let mut literal = Vec::new();
        let value = format!("{n}-{field};").repeat(1 + (n + field) * 7 % 30);
        encode_field(
            &mut literal,
            b"x-inserted",
            value.as_bytes(),
            Indexing::Without,
        );
        // A literal with a new name differs from one with insertion in two bits only.
        literal[0] = 0x40;
        out.extend_from_slice(&literal);
        // The newest entry, then its name with another value, inserted again.
        out.extend_from_slice(&[0xbe, 0x7e, 0x01, b'v']);
    }
    out
}

#[test]
fn decoding_allocates_nothing_once_warm() {
    let mut decoder = None;
    let made = allocations(|| decoder = Some(Decoder::new(4_096)));
    let mut decoder = decoder.unwrap();
    let mut scratch = Vec::with_capacity(1_024);
    let blocks: Vec<_> = (0..50).map(block).collect();
    let mut sum = 0;
    let mut decode = |block: &[u8]| {
        let outcome = decoder.decode(block, usize::MAX, &mut scratch, |field| {
            sum += field.name.len() + field.value.len();
        });
        assert_eq!(outcome, Ok(Outcome::Complete));
    };

    let no_insertion = allocations(|| decode(&[0x82, 0x84, 0x87, 0x01, 0x01, b'h']));
    assert_eq!((made, no_insertion), (0, 0));
    let cold = allocations(|| blocks.iter().for_each(|block| decode(block)));
    let warm = allocations(|| {
        for _ in 0..20 {
            blocks.iter().for_each(|block| decode(block));
        }
    });
    println!("{cold} allocations while warming up, {warm} afterwards");
    assert_eq!(warm, 0);
    assert!(cold < 30);
    assert!(sum > 0);
}

#[test]
fn routing_and_cors_allocate_nothing() {
    let directory = |path: &str| Mount {
        path: path.into(),
        symlinks: Symlinks::default(),
    };
    let mut builder = Builder::new(Defaults::default());
    for host in ["a.test", "*.b.test", "[2001:db8::1]"] {
        let site = builder
            .site(directory("/"), CertificateId::default())
            .unwrap();
        builder.host(site, host.parse().unwrap()).unwrap();
        let prefix = "/docs".parse().unwrap();
        builder.mount(site, prefix, directory("/docs")).unwrap();
        builder.default_site(site);
    }
    let sites = builder.build();
    let origins = Box::new(["https://a.test".parse().unwrap()]);
    let cors = Cors::new(
        Origins::Listed {
            origins,
            credentials: true,
        },
        &["etag".parse().unwrap()],
        Some(600),
    );
    let request = CorsRequest {
        origin: Some(b"https://a.test"),
        request_method: Some(b"GET"),
        request_headers: Some(b"range"),
    };
    let mut fields = 0;
    let allocated = allocations(|| {
        for authority in [
            &b"A.test:8443"[..],
            b"www.b.test.",
            b"[2001:DB8::1]",
            b"?",
            b"",
        ] {
            for path in [&b"docs"[..], b"docs/a/b", b"docsx", b""] {
                let route = sites.route(authority, path).unwrap();
                assert!(path.ends_with(route.rest));
                assert!(!sites.is_misdirected(sites.certificate(authority), authority));
            }
        }
        for method in [Method::Get, Method::Options] {
            fields += cors.answer(method, &request).fields().count();
        }
    });
    assert_eq!((allocated, fields), (0, 8));
}

#[test]
fn negotiation_allocates_nothing() {
    let mut between = Vec::with_capacity(1_024);
    let allocated = allocations(|| {
        let codings = AcceptEncoding::of(Some(b"gzip, deflate, br;q=0.9, zstd;q=0.8, *;q=0"));
        assert_eq!(codings.choose(Coding::PRECOMPRESSED), Some(Coding::Gzip));
        let types = Accept::of(Some(
            b"application/json;x=\"a, b\", text/html;q=0.9, */*;q=0.8",
        ));
        assert_eq!(types.listing_type(), ListingType::Json);
        assert!(types.accepts_html());
        let digests = WantDigest::of(Some(b"sha-512=3, sha-256=10;a, unixsum=0"));
        assert_eq!(digests.choose(), Some(DigestAlgorithm::Sha256));
        let value = Digest::Sha512([7; 64]).field_value();
        let tag = EntityTag::new(1, 2, 3, 4).coded(Coding::Zstd, 1);
        assert_eq!((value.as_bytes().len(), tag.as_bytes().len()), (98, 16));
        let RangeOutcome::Satisfiable(ranges) = range::resolve(Some(b"bytes=0-9,-9"), 4_096) else {
            panic!("satisfiable");
        };
        let multipart = MultipartByteRanges::new(&ranges, b"text/plain", 4_096, 1).unwrap();
        multipart.put_part_header(0, &mut between);
        multipart.put_part_header(1, &mut between);
        multipart.put_closing_delimiter(&mut between);
        assert_eq!(multipart.content_length(), between.len() as u64 + 19);
    });
    assert_eq!(allocated, 0);
}
