//! Request targets: nothing that resolves leaves the root.

use ringlane::http::target::{PATH_BYTES_MAX, SEGMENT_BYTES_MAX, resolve};

use super::input::Input;

/// Pieces that paths are made of.
const PIECES: [&[u8]; 24] = [
    b"/",
    b".",
    b"..",
    b"%2e",
    b"%2E%2e",
    b"%2f",
    b"%2F",
    b"%00",
    b"%25",
    b"%",
    b"%5c",
    b"\\",
    b"?",
    b"#",
    b"a",
    b"index.html",
    b"%c0%ae",
    b"\0",
    b" ",
    b"\x7f",
    b"%7f",
    b"%e4%b8",
    b"//",
    b"/./",
];

/// Resolves the bytes as they are, or a path made of pieces that they choose.
pub(crate) fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let mut path = Vec::new();
    match input.byte() % 3 {
        0 => path.extend_from_slice(input.rest()),
        1 => {
            path.push(b'/');
            path.extend_from_slice(input.rest());
        }
        _ => {
            path.push(b'/');
            while !input.is_empty() {
                let choice = usize::from(input.byte());
                match PIECES.get(choice) {
                    Some(piece) => path.extend_from_slice(piece),
                    // Long names, to meet the limits.
                    None => path.resize(path.len() + choice, b'n'),
                }
            }
        }
    }
    check(&path);
}

fn check(path: &[u8]) {
    let mut buffer = b"left over".to_vec();
    let target = match resolve(path, &mut buffer) {
        Ok(target) => target,
        Err(error) => {
            assert!(matches!(error.status(), 400 | 404 | 414));
            return;
        }
    };
    assert!(path.starts_with(b"/"));
    assert!(target.path.len() <= PATH_BYTES_MAX && !target.path.contains(&0));
    assert!(target.directory || !target.path.is_empty());
    if !target.path.is_empty() {
        for segment in target.path.split(|&byte| byte == b'/') {
            assert!(!matches!(segment, b"" | b"." | b".."));
            assert!(segment.len() <= SEGMENT_BYTES_MAX);
        }
    }
    // Encoded as a whole and resolved again it is the same file.
    let mut again = b"/".to_vec();
    for byte in target.path {
        match byte {
            b'/' => again.push(b'/'),
            byte => again.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    let mut other = Vec::new();
    let back = resolve(&again, &mut other).expect("what was resolved resolves");
    assert_eq!(back.path, target.path);
}
