//! RFC 7541, HPACK, as far as a field block of a client can tell.

use crate::client::*;

/// What becomes of a request whose field block is that of GET and `more`.
fn with(more: &[u8], expected: Outcome) {
    let block = [&block(&GET)[..], more].concat();
    expect(&raw_headers(IDLE, &block, true), expected);
}

const ERROR: Outcome = ConnectionError(C::COMPRESSION_ERROR);

/// Section 2.3.3: "Indices strictly greater than the sum of the lengths of both tables MUST be treated as a decoding
/// error."
#[test]
fn indices_beyond_the_tables() {
    // 62 of an empty dynamic table: indexed, literal added, not added, never added.
    with(b"\xbe", ERROR);
    with(b"\x7e\x01v", ERROR);
    with(b"\x0f\x2f\x01v", ERROR);
    with(b"\x1f\x2f\x01v", ERROR);
    with(b"\xff\xff\xff\x03", ERROR);
    // One entry: 62 is right and 63 is not.
    with(b"\x40\x01x\x01y\xbe", Fine);
    with(b"\x40\x01x\x01y\xbf", ERROR);
}

/// Section 4.2: "A change in the maximum size of the dynamic table is signaled via a dynamic table size update (see
/// Section 6.3). This dynamic table size update MUST occur at the beginning of the first header block following the
/// change to the dynamic table size."
#[test]
fn a_size_update_after_a_field() {
    with(b"\x20", ERROR);
    with(b"\x40\x01x\x01y\x20", ERROR);
    let updates = |prefix: &[u8]| raw_headers(IDLE, &[prefix, &block(&GET)].concat(), true);
    expect(&updates(b"\x20"), Fine);
    expect(&updates(b"\x20\x3f\xe1\x1f"), Fine);
    // In trailers as in requests.
    expect(&raw_headers(OPEN, b"\x00\x01x\x01y\x20", true), ERROR);
}

/// Section 4.2: "[...] resulting in at most two dynamic table size updates."
#[test]
fn three_size_updates() {
    let block = [&b"\x20\x20\x20"[..], &block(&GET)].concat();
    expect(&raw_headers(IDLE, &block, true), ERROR);
}

/// Section 6.3: "The new maximum size MUST be lower than or equal to the limit determined by the protocol using HPACK. A
/// value that exceeds this limit MUST be treated as a decoding error."
#[test]
fn a_size_update_over_the_limit() {
    let update = |bytes: &[u8]| raw_headers(IDLE, &[bytes, &block(&GET)].concat(), true);
    expect(&update(b"\x3f\xe1\x1f"), Fine);
    expect(&update(b"\x3f\xe2\x1f"), ERROR);
    expect(&update(b"\x3f\xff\xff\xff\x0f"), ERROR);
}

/// Section 4.3: "Whenever the maximum size for the dynamic table is reduced, entries are evicted from the end of the
/// dynamic table until the size of the dynamic table is less than or equal to the maximum size."
#[test]
fn entries_are_evicted() {
    let mut client = Client::prepared();
    client.send(&raw_headers(
        IDLE,
        &[&block(&GET)[..], b"\x40\x01x\x01y\xbe"].concat(),
        true,
    ));
    client.send(&raw_headers(
        IDLE + 2,
        &[&b"\x20\x3f\xe1\x1f"[..], &block(&GET)].concat(),
        true,
    ));
    assert_eq!(client.events().len(), 2);
    client.send(&raw_headers(
        IDLE + 4,
        &[&block(&GET)[..], b"\xbe"].concat(),
        true,
    ));
    client.expect(ERROR);
}

/// Section 4.4: "an attempt to add an entry larger than the maximum size causes the table to be emptied of all existing
/// entries and results in an empty table." "It is not an error to attempt to add an entry that is larger than the maximum
/// size".
#[test]
fn an_entry_larger_than_the_table() {
    // 4,065 bytes of name and value, and 32: one more than the table holds.
    let large = [&b"\x40\x01x\x7f\xe1\x1e"[..], &vec![b'v'; 4_064]].concat();
    with(&large, Fine);
    with(&[b"\x40\x01x\x01y", &large[..], b"\xbe"].concat(), ERROR);
}

/// Section 5.1: "Integer encodings that exceed implementation limits -- in value or octet length -- MUST be treated as
/// decoding errors."
#[test]
fn integers_that_are_too_long() {
    for more in [
        &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        b"\xff\x80\x80\x80\x80\x80\x80\x00",
        b"\x00\x7f\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xff\x80",
        b"\xff",
    ] {
        with(more, ERROR);
    }
}

/// Section 5.2: "Padding not corresponding to the most significant bits of the code for the EOS symbol MUST be treated as
/// a decoding error."
#[test]
fn huffman_padding_of_zeros() {
    // `a` is 00011: with three bits of padding.
    with(b"\x00\x81\x1f\x01v", Fine);
    for octet in 0x18..0x1f {
        with(&[0x00, 0x81, octet, 0x01, b'v'], ERROR);
    }
}

/// Section 5.2: "A padding strictly longer than 7 bits MUST be treated as a decoding error."
#[test]
fn huffman_padding_of_a_whole_octet() {
    with(b"\x00\x82\x1f\xff\x01v", ERROR);
    with(b"\x00\x01x\x81\xff", ERROR);
    with(b"\x00\x01x\x83\x1f\xff\xff", ERROR);
}

/// Section 5.2: "A Huffman-encoded string literal containing the EOS symbol MUST be treated as a decoding error."
#[test]
fn the_eos_symbol() {
    with(b"\x00\x01x\x84\xff\xff\xff\xff", ERROR);
    with(b"\x00\x01x\x85\x1f\xff\xff\xff\xff", ERROR);
}

/// Section 6.1: "The index value of 0 is not used. It MUST be treated as a decoding error if found in an indexed header
/// field representation."
#[test]
fn index_0() {
    with(b"\x80", ERROR);
    expect(&raw_headers(IDLE, b"\x80", true), ERROR);
}

/// Section 5.2: a string that is longer than what is left of the block, and section 6 for fields that are cut off.
#[test]
fn blocks_that_end_within_a_field() {
    for more in [
        &b"\x00"[..],
        b"\x40",
        b"\x00\x01",
        b"\x00\x01x",
        b"\x00\x01x\x02v",
        b"\x00\x85\x1f",
        b"\x0f",
        b"\x3f",
    ] {
        with(more, ERROR);
    }
}

/// Section 6.2.3: a literal that is never indexed is a field like others, and leaves the table alone.
#[test]
fn never_indexed() {
    with(b"\x10\x01x\x01y", Fine);
    with(b"\x10\x01x\x01y\xbe", ERROR);
    with(b"\x00\x01x\x01y\xbe", ERROR);
}

/// Section 3.2: "Once a header field is decoded [...], the decoder can no longer evict": the whole block is decoded in
/// order, and each connection has a table of its own.
#[test]
fn a_table_for_each_connection() {
    let adds = [&block(&GET)[..], b"\x40\x01x\x01y"].concat();
    let uses = [&block(&GET)[..], b"\xbe"].concat();
    let mut first = Client::prepared();
    first.send(&raw_headers(IDLE, &adds, true));
    let mut second = Client::prepared();
    second.send(&raw_headers(IDLE, &uses, true));
    second.expect(ERROR);
    first.send(&raw_headers(IDLE + 2, &uses, true));
    assert_eq!(first.events().len(), 2);
}
