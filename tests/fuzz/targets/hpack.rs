//! Field blocks: whatever a peer sends, the decoder stays within its limits and in step with itself.

use ringlane::h2::hpack::{Decoder, ENTRY_OVERHEAD, Indexing, Outcome, encode_field};

use super::input::Input;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(
    decoder: &mut Decoder,
    block: &[u8],
    limit: usize,
) -> Result<(Outcome, Fields), impl std::fmt::Debug + PartialEq + use<>> {
    let mut fields = Vec::new();
    decoder
        .decode(block, limit, &mut Vec::new(), |field| {
            fields.push((field.name.to_vec(), field.value.to_vec()));
        })
        .map(|outcome| (outcome, fields))
}

/// Decodes a row of blocks twice, with a limit and without.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = usize::from(input.byte()) * 16;
    let table = [4_096, 0, 100, 65_536][input.below(4)];
    let (mut limited, mut unlimited) = (Decoder::new(table), Decoder::new(table));
    while !input.is_empty() {
        let choice = input.byte();
        if choice == 0xff {
            let size = usize::from(input.u16());
            limited.set_max_table_size(size);
            unlimited.set_max_table_size(size);
        }
        let block = input.string();
        let some = decode(&mut limited, block, limit);
        let all = decode(&mut unlimited, block, usize::MAX);
        let ((outcome, some), (complete, all)) = match (some, all) {
            (Ok(some), Ok(all)) => (some, all),
            (some, all) => {
                assert_eq!(
                    some.err(),
                    all.err(),
                    "the limit does not change what is wrong"
                );
                return;
            }
        };
        assert_eq!(complete, Outcome::Complete);
        let size = |fields: &Fields| -> usize {
            let sizes = fields.iter().map(|(name, value)| name.len() + value.len());
            sizes.map(|size| size + ENTRY_OVERHEAD).sum()
        };
        assert!(size(&some) <= limit);
        assert_eq!(outcome == Outcome::Complete, size(&all) <= limit);
        assert_eq!(some[..], all[..some.len()], "the first ones");
        round_trip(&all);
    }
}

/// What was decoded can be said again, and is understood by a decoder that has seen nothing.
fn round_trip(fields: &Fields) {
    let mut block = Vec::new();
    for (n, (name, value)) in fields.iter().enumerate() {
        let indexing = [Indexing::Without, Indexing::Never][n % 2];
        encode_field(&mut block, name, value, indexing);
    }
    let (_, back) = decode(&mut Decoder::new(0), &block, usize::MAX).expect("our own block");
    assert_eq!(back, *fields);
}
