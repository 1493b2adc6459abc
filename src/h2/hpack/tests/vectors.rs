//! RFC 7541, Appendix C.

use super::super::{huffman, table::DEFAULT_TABLE_SIZE};
use super::*;

/// Block, its fields, the table afterwards (newest first) and its size.
type Step<'a> = (
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [(&'a str, &'a str)],
    usize,
);

fn walk(decoder: &mut Decoder, steps: &[Step<'_>]) {
    for (block, list, table, size) in steps {
        assert_eq!(decode(decoder, &hex(block)), Ok(fields(list)));
        assert_eq!(decoder.contents(), (fields(table), *size));
    }
}

#[test]
fn c_2_field_representations() {
    let new = || Decoder::new(DEFAULT_TABLE_SIZE);
    let custom = [("custom-key", "custom-header")];
    walk(
        &mut new(),
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            &custom,
            &custom,
            55,
        )],
    );
    let path = "040c 2f73 616d 706c 652f 7061 7468";
    walk(&mut new(), &[(path, &[(":path", "/sample/path")], &[], 0)]);
    let never = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    walk(&mut new(), &[(never, &[("password", "secret")], &[], 0)]);
    walk(&mut new(), &[("82", &[(":method", "GET")], &[], 0)]);

    for (block, flag, index) in [
        (path, false, Some(4)),
        (never, true, None),
        ("83", false, Some(2)),
    ] {
        let mut seen = None;
        let done = new().decode(&hex(block), 1_000, &mut Vec::new(), |field| {
            seen = Some((field.never_indexed, field.static_index));
        });
        assert_eq!(done, Ok(Outcome::Complete));
        assert_eq!(seen, Some((flag, index)));
    }
}

/// Three requests, the same without (C.3) and with (C.4) Huffman coding.
#[test]
fn c_3_and_c_4_requests() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    let authority = (":authority", "www.example.com");
    let no_cache = ("cache-control", "no-cache");
    let custom = ("custom-key", "custom-value");
    let (get, http) = ((":method", "GET"), (":scheme", "http"));
    for blocks in [plain, coded] {
        walk(
            &mut Decoder::new(DEFAULT_TABLE_SIZE),
            &[
                (
                    blocks[0],
                    &[get, http, (":path", "/"), authority],
                    &[authority],
                    57,
                ),
                (
                    blocks[1],
                    &[get, http, (":path", "/"), authority, no_cache],
                    &[no_cache, authority],
                    110,
                ),
                (
                    blocks[2],
                    &[
                        get,
                        (":scheme", "https"),
                        (":path", "/index.html"),
                        authority,
                        custom,
                    ],
                    &[custom, no_cache, authority],
                    164,
                ),
            ],
        );
    }
}

/// Three responses with a table of 256 bytes, so that entries are evicted, without (C.5) and with (C.6) Huffman coding.
#[test]
fn c_5_and_c_6_responses() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
         474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
         666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
         3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    let coded = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
         63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
         b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    let private = ("cache-control", "private");
    let date = ("date", "Mon, 21 Oct 2013 20:13:21 GMT");
    let later = ("date", "Mon, 21 Oct 2013 20:13:22 GMT");
    let location = ("location", "https://www.example.com");
    let (s302, s307) = ((":status", "302"), (":status", "307"));
    let gzip = ("content-encoding", "gzip");
    let cookie = (
        "set-cookie",
        "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    );
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(DEFAULT_TABLE_SIZE);
        assert_eq!(decode(&mut decoder, &size_update(256)), Ok(vec![]));
        walk(
            &mut decoder,
            &[
                (
                    blocks[0],
                    &[s302, private, date, location],
                    &[location, date, private, s302],
                    222,
                ),
                (
                    blocks[1],
                    &[s307, private, date, location],
                    &[s307, location, date, private],
                    222,
                ),
                (
                    blocks[2],
                    &[(":status", "200"), private, later, location, gzip, cookie],
                    &[cookie, gzip, later],
                    215,
                ),
            ],
        );
    }
}

/// The strings of C.4 and C.6, coded alone.
#[test]
fn c_4_and_c_6_strings() {
    for (text, code) in [
        ("www.example.com", "f1e3 c2e5 f23a 6ba0 ab90 f4ff"),
        ("no-cache", "a8eb 1064 9cbf"),
        ("custom-key", "25a8 49e9 5ba9 7d7f"),
        ("custom-value", "25a8 49e9 5bb8 e8b4 bf"),
        ("302", "6402"),
        ("private", "aec3 771a 4b"),
        (
            "Mon, 21 Oct 2013 20:13:21 GMT",
            "d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff",
        ),
        (
            "https://www.example.com",
            "9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3",
        ),
    ] {
        let mut out = Vec::new();
        huffman::encode(text.as_bytes(), &mut out);
        assert_eq!(out, hex(code));
    }
}

/// What the encoder makes of the same fields: literals without indexing where the RFC's example inserts.
#[test]
fn encoded_fields() {
    let encoded = |name: &str, value: &str, indexing| {
        let mut out = Vec::new();
        encode_field(&mut out, name.as_bytes(), value.as_bytes(), indexing);
        out
    };
    let plain = |name, value| encoded(name, value, Indexing::Without);
    assert_eq!(plain(":method", "GET"), [0x82]);
    assert_eq!(plain("accept-encoding", "gzip, deflate"), [0x90]);
    assert_eq!(plain("www-authenticate", ""), [0xbd]);
    assert_eq!(
        plain(":authority", "www.example.com"),
        hex("018c f1e3 c2e5 f23a 6ba0 ab90 f4ff")
    );
    // Index 24 takes a second octet behind a prefix of four bits.
    assert_eq!(
        plain("cache-control", "no-cache"),
        hex("0f09 86a8 eb10 649c bf")
    );
    assert_eq!(
        plain("custom-key", "custom-value"),
        hex("0088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")
    );
    // As long with Huffman coding as without: left plain.
    assert_eq!(plain("x", "&"), hex("0001 7801 26"));
    assert_eq!(encoded("cookie", "", Indexing::Never), hex("1f11 00"));
    assert_eq!(encoded("password", "", Indexing::Never)[0], 0x10);
}

#[test]
fn encoded_statuses() {
    for status in 100..1_000 {
        let mut out = Vec::new();
        encode_status(&mut out, status);
        assert_eq!(
            decode(&mut Decoder::new(DEFAULT_TABLE_SIZE), &out),
            Ok(fields(&[(":status", &status.to_string())]))
        );
        let mut same = Vec::new();
        encode_field(
            &mut same,
            b":status",
            status.to_string().as_bytes(),
            Indexing::Without,
        );
        assert_eq!(out, same);
    }
}
