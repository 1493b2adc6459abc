//! The HPACK codec, and the `hpack` dev-dependency doing the same: `cargo bench --bench hpack`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringlane::h2::hpack::{Decoder, Indexing, Outcome, encode_field, encode_status, huffman};
use std::hint::black_box;

/// What Chromium sends for a page on a new connection.
const FIRST_REQUEST: [(&str, &str); 17] = [
    (":method", "GET"),
    (":authority", "www.example.com"),
    (":scheme", "https"),
    (":path", "/downloads/archive-2026.tar.zst?mirror=2"),
    (
        "sec-ch-ua",
        "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"",
    ),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("upgrade-insecure-requests", "1"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    ),
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
    ("priority", "u=0, i"),
];

const RESPONSE: [(&str, &str); 7] = [
    ("server", "ringlane"),
    ("date", "Sat, 21 Nov 2026 21:45:28 GMT"),
    ("content-type", "application/octet-stream"),
    ("content-length", "104857600"),
    ("last-modified", "Mon, 16 Nov 2026 08:00:00 GMT"),
    ("etag", "\"6919c1a0-6400000\""),
    ("accept-ranges", "bytes"),
];

/// The first request as Chromium codes it: all that the static table lacks is inserted, but for `:path`.
fn first_block() -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in FIRST_REQUEST {
        let mut field = Vec::new();
        encode_field(
            &mut field,
            name.as_bytes(),
            value.as_bytes(),
            Indexing::Without,
        );
        let insert = field[0] & 0x80 == 0 && name != ":path";
        match field[0] {
            // An index of 15 or more takes two octets with a prefix of four bits, and one with six.
            0x0f if insert => {
                out.push(0x40 | (15 + field[1]));
                out.extend_from_slice(&field[2..]);
            }
            first if insert => {
                out.push(0x40 | first);
                out.extend_from_slice(&field[1..]);
            }
            _ => out.extend_from_slice(&field),
        }
    }
    out
}

/// The same request again, when every field is in one of the tables.
fn indexed_block(first: &[u8]) -> Vec<u8> {
    let mut out = vec![0x82, 0x87, 0x84];
    let mut inserted = 0;
    Decoder::new(4_096)
        .decode(first, usize::MAX, &mut Vec::new(), |_| inserted += 1)
        .unwrap();
    // All but :method, :scheme and :path.
    out.extend((0..inserted - 3).map(|n| 0x80 | (62 + n as u8)));
    out
}

fn decode(decoder: &mut Decoder, block: &[u8], scratch: &mut Vec<u8>) -> usize {
    let mut sum = 0;
    let outcome = decoder.decode(block, 65_536, scratch, |field| {
        black_box(&field);
        sum += field.value.len();
    });
    assert_eq!(outcome, Ok(Outcome::Complete));
    sum
}

fn decoding(c: &mut Criterion) {
    let first = first_block();
    let indexed = indexed_block(&first);
    println!(
        "first request: {} bytes; all indexed: {} bytes",
        first.len(),
        indexed.len()
    );
    let mut group = c.benchmark_group("decode");
    let mut scratch = Vec::new();

    group.bench_function("first request, new connection", |b| {
        b.iter(|| decode(&mut Decoder::new(4_096), black_box(&first), &mut scratch));
    });
    let mut decoder = Decoder::new(4_096);
    group.bench_function("first request, warm table", |b| {
        b.iter(|| decode(&mut decoder, black_box(&first), &mut scratch));
    });
    group.bench_function("all indexed", |b| {
        b.iter(|| decode(&mut decoder, black_box(&indexed), &mut scratch));
    });
    group.bench_function("all indexed, 16 static", |b| {
        let block = [0x82, 0x87, 0x84, 0x90].repeat(4);
        b.iter(|| decode(&mut decoder, black_box(&block), &mut scratch));
    });

    group.bench_function("first request, loona-hpack", |b| {
        b.iter(|| {
            hpack::Decoder::new()
                .decode(black_box(&first))
                .unwrap()
                .len()
        });
    });
    let mut theirs = hpack::Decoder::new();
    theirs.decode(&first).unwrap();
    group.bench_function("all indexed, loona-hpack", |b| {
        b.iter(|| theirs.decode(black_box(&indexed)).unwrap().len());
    });
    group.finish();
}

/// Blocks of 16 KiB that cost the most for their length.
fn hostile(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode hostile 16 KiB");
    group.throughput(Throughput::Bytes(16_384));
    let mut scratch = Vec::new();
    let mut long_name = vec![0x40, 0x7f, 0xa1, 0x1e];
    long_name.resize(4 + 4_000, b'n');
    long_name.push(0);
    for (kind, field) in [
        ("long name inserted again", &[0x7e, 0x00][..]),
        ("long name by index", &[0x0f, 0x2f, 0x00]),
        ("long entry by index", &[0xbe]),
        ("strings of one symbol", &[0x40, 0x81, 0x1f, 0x81, 0x1f]),
    ] {
        let block = field.repeat(16_384 / field.len());
        let mut decoder = Decoder::new(4_096);
        decode(&mut decoder, &long_name, &mut scratch);
        group.bench_function(kind, |b| {
            b.iter(|| {
                decoder.decode(black_box(&block), 65_536, &mut scratch, |field| {
                    black_box(&field);
                })
            });
        });
    }
    group.finish();
}

fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    let mut out = Vec::with_capacity(1_024);
    group.bench_function("response", |b| {
        b.iter(|| {
            out.clear();
            encode_status(&mut out, black_box(200));
            for (name, value) in black_box(&RESPONSE) {
                encode_field(
                    &mut out,
                    name.as_bytes(),
                    value.as_bytes(),
                    Indexing::Without,
                );
            }
            out.len()
        });
    });
    let mut theirs = hpack::Encoder::new();
    theirs.set_max_table_size(0);
    group.bench_function("response, loona-hpack (no Huffman)", |b| {
        b.iter(|| {
            out.clear();
            let fields = black_box(&RESPONSE).iter();
            let status = std::iter::once((&b":status"[..], &b"200"[..]));
            let fields =
                status.chain(fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
            theirs.encode_into(fields, &mut out).unwrap();
            out.len()
        });
    });
    group.finish();
}

fn strings(c: &mut Criterion) {
    let text: Vec<u8> = FIRST_REQUEST
        .iter()
        .flat_map(|(_, value)| value.bytes())
        .cycle()
        .take(1_024)
        .collect();
    // Codes of 20 bits and more: none is in the lookup table.
    let rare: Vec<u8> = (128..=255).cycle().take(1_024).collect();
    let mut group = c.benchmark_group("huffman 1 KiB");
    group.throughput(Throughput::Bytes(1_024));
    for (kind, string) in [("header text", text), ("rare symbols", rare)] {
        let mut coded = Vec::new();
        huffman::encode(&string, &mut coded);
        let mut dst = vec![0; huffman::decode_room(coded.len())];
        group.bench_function(format!("decode, {kind}"), |b| {
            b.iter(|| huffman::decode(black_box(&coded), &mut dst).unwrap());
        });
        group.bench_function(format!("encode, {kind}"), |b| {
            b.iter(|| {
                coded.clear();
                huffman::encode(black_box(&string), &mut coded);
            });
        });
        // A literal with index 1 and one Huffman-coded value is the only way to reach its string decoder.
        let mut block = Vec::new();
        encode_field(&mut block, b":authority", &string, Indexing::Without);
        if coded.len() < string.len() {
            group.bench_function(format!("decode, {kind}, loona-hpack"), |b| {
                b.iter(|| {
                    hpack::Decoder::new()
                        .decode(black_box(&block))
                        .unwrap()
                        .len()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decoding, hostile, encoding, strings);
criterion_main!(benches);
