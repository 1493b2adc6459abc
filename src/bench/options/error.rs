//! Why a run cannot be made, and what to write instead.

use std::path::{Path, PathBuf};

use crate::bench::figures::FIGURES;

/// Why a run cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Nothing to ask for.
    #[error(
        "there is no URL: write one, such as http://127.0.0.1:8080/, or give a file with --urls-from"
    )]
    NoUrl,
    /// A URL cannot be used.
    #[error("the URL `{url}` cannot be used: {why}")]
    Url {
        /// The URL.
        url: String,
        /// Why not.
        why: &'static str,
    },
    /// URLs of several servers.
    #[error(
        "`{first}` and `{other}` are of two servers: all URLs of a run must have one scheme, host and port"
    )]
    Origins {
        /// The first URL.
        first: String,
        /// One of another origin.
        other: String,
    },
    /// A weight is none.
    #[error(
        "`{0}` has no weight that is a whole number from 1 on; behind a URL with a query (`?`) none is read, use --urls-from"
    )]
    Weight(String),
    /// A line of the file of URLs is wrong.
    #[error("{}, line {line}: {error}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: Box<OptionsError>,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {message}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {message}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
    /// More than one result for the standard output.
    #[error("only one of --json, --csv and --html can be `-`: name files for the others")]
    TwoOnStdout,
    /// A limit for a figure that there is not.
    #[error("--max-loss: there is no figure `{0}`; there are {names}", names = figure_names())]
    NoSuchFigure(String),
    /// A comparison of one.
    #[error(
        "there is nothing to compare: write at least two targets with different names, such as A=URL B=URL"
    )]
    OneTarget,
    /// Something for a target that there is not.
    #[error("{option} {name}=...: no target has the name `{name}`; there are {known}")]
    NoSuchName {
        /// The option.
        option: &'static str,
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A target of a comparison cannot be used.
    #[error("{name}: {error}")]
    Target {
        /// Its name.
        name: String,
        /// What is wrong.
        error: Box<OptionsError>,
    },
    /// A kept result cannot be used.
    #[error("--vs {}: {why}", .path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A kept result is of another load.
    #[error(
        "--vs: the kept run had {option} {kept}, this one has {now}: give it the same, or keep a new result with --json"
    )]
    OtherLoad {
        /// The option.
        option: &'static str,
        /// What it was.
        kept: String,
        /// What it is.
        now: String,
    },
    /// A folder, or something else that has no length.
    #[error("{} is not a regular file", .0.display())]
    NoFile(PathBuf),
    /// A hash is none.
    #[error("`{0}` is not a SHA-256: 64 hexadecimal digits, as sha256sum prints them")]
    Sha256(String),
    /// A number is out of its range.
    #[error("{option} must be {range}, not {given}")]
    Range {
        /// The option.
        option: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it is.
        given: String,
    },
    /// Two options that do not go together.
    #[error("{first} and {second} do not go together: {why}")]
    Conflict {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A ramp that cannot be read.
    #[error("`{0}` is no ramp: write rate:1000,2000,4000 or connections:1,10,100")]
    Steps(String),
    /// A field that cannot be sent.
    #[error("the field `{field}` cannot be sent: {why}")]
    Header {
        /// The field as typed.
        field: String,
        /// Why not.
        why: &'static str,
    },
    /// A range of bytes that is none.
    #[error("`{0}` is no range of bytes: write 0-499, 500- or -500")]
    ByteRange(String),
    /// A protocol that is not known.
    #[error(
        "`{0}` is no list of protocols: write h2, http/1.1, or both in the order of preference"
    )]
    Alpn(String),
    /// Cores that this process may not use.
    #[error("cores {asked} are not available: this process may use {available}")]
    Cores {
        /// Those asked for.
        asked: String,
        /// Those that there are.
        available: String,
    },
    /// It is not known which cores there are.
    #[error("cannot find out which cores this process may use")]
    NoCores,
    /// There is nothing to trust a server by.
    #[error(
        "no file with the system's certificates was found: name one with --cacert, or trust any server with --insecure"
    )]
    NoTrust,
    /// A file without certificates.
    #[error("{} holds no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
}

impl OptionsError {
    pub(in crate::bench) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            message: error.to_string(),
        }
    }
}

fn figure_names() -> String {
    let names = FIGURES.iter().map(|figure| figure.name);
    names.collect::<Vec<_>>().join(", ")
}

pub(super) fn out_of_range(
    option: &'static str,
    range: &'static str,
    given: impl ToString,
) -> OptionsError {
    OptionsError::Range {
        option,
        range,
        given: given.to_string(),
    }
}

pub(super) fn conflict(
    first: &'static str,
    second: &'static str,
    why: &'static str,
) -> OptionsError {
    OptionsError::Conflict { first, second, why }
}
