//! Which folder is served, and which is refused.

use std::fs;

use crate::{accepted, home, refused};

#[test]
fn a_wrong_root_is_refused() {
    let home = home();
    fs::write(home.path().join("file"), "").unwrap();
    let said = refused(&home, &["missing"]);
    assert!(
        said.starts_with("ringlane: cannot serve missing: No such file"),
        "{said}"
    );
    let said = refused(&home, &["file"]);
    assert!(said.contains("Not a directory"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn a_wrong_root_of_a_file_is_refused_with_its_line() {
    let home = home();
    let path = home.path().join("r.toml");
    for (text, expected) in [
        (
            "shards = 1\nroot = 'no'\n",
            "r.toml:2: root: cannot serve no: No such file",
        ),
        (
            "root = 'r.toml'\n",
            "r.toml:1: root: cannot serve r.toml: Not a directory",
        ),
        ("\nroot = ''\n", "r.toml:2: root: cannot serve : "),
    ] {
        fs::write(&path, text).unwrap();
        let said = refused(&home, &["--config", "r.toml"]);
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // It is not the file's.
    fs::write(&path, "root = '.'\n").unwrap();
    let said = refused(&home, &["no", "--config", "r.toml"]);
    assert!(said.starts_with("ringlane: cannot serve no: "), "{said}");
}

/// The current folder of a service is `/`, unless its unit says otherwise.
#[test]
fn a_file_that_names_no_folder_publishes_none() {
    let home = home();
    fs::write(home.path().join("r.toml"), "shards = 1\n").unwrap();
    let said = refused(&home, &["--config", "r.toml"]);
    assert!(
        said.starts_with("ringlane: r.toml: no folder to serve") && said.contains("root ="),
        "{said}"
    );
    accepted(&home, &[".", "--config", "r.toml"]);
    // Not the folder of the file, where keys may lie.
    let path = home.path().join("r.toml");
    let site = "[[site]]\nhosts = 'a.test'\nroot = ''\n";
    for text in ["root = ''\n", site] {
        fs::write(&path, text).unwrap();
        let said = refused(&home, &["--config", path.to_str().unwrap()]);
        assert!(said.contains("an empty path"), "{said}");
    }
}
