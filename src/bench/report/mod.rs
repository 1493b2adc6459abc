//! Where results go besides the summary: files, or the standard output, as JSON, as CSV, and as a page with charts.

mod chart;
mod csv;
mod page;
mod panels;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::OutputArgs;
use super::compare::Comparison;
use super::compare::kept::Loss;
use super::options::OptionsError;
use super::result::RunResult;

/// What there is to write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report<'a> {
    /// A run, and how it stands against one that was kept, if it was compared with one.
    Run(&'a RunResult, &'a [Loss]),
    /// A comparison.
    Comparison(&'a Comparison),
}

/// The files that were asked for, open from before the run: that one cannot be written is said before load is made.
#[derive(Debug)]
pub struct Outputs {
    json: Option<Output>,
    csv: Option<Output>,
    html: Option<Output>,
}

/// One of them.
#[derive(Debug)]
enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

/// Why a result was not written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {error}", .path.display())]
pub struct OutputError {
    path: PathBuf,
    error: io::Error,
}

impl Outputs {
    /// Opens what was asked for. What is in a file stays there until there is a result.
    ///
    /// # Errors
    /// When a file cannot be written, or two results are to go to the standard output.
    pub fn open(args: &OutputArgs) -> Result<Self, OptionsError> {
        let stdout = |path: &&PathBuf| path.as_os_str() == "-";
        let all = [&args.json, &args.csv, &args.html];
        if all.into_iter().flatten().filter(stdout).count() > 1 {
            return Err(OptionsError::TwoOnStdout);
        }
        Ok(Self {
            json: args.json.as_deref().map(Output::open).transpose()?,
            csv: args.csv.as_deref().map(Output::open).transpose()?,
            html: args.html.as_deref().map(Output::open).transpose()?,
        })
    }

    /// Whether the standard output is taken, so that a summary for people has to go elsewhere.
    fn use_stdout(&self) -> bool {
        [&self.json, &self.csv, &self.html]
            .into_iter()
            .flatten()
            .any(|output| matches!(output, Output::Stdout))
    }

    /// Prints for people: beside the standard output where that is taken.
    ///
    /// # Errors
    /// When the standard output could not be written.
    pub(super) fn print(&self, text: &str) -> Result<(), OutputError> {
        if self.use_stdout() {
            // It is said besides, and need not be.
            let _ = io::stderr().write_all(text.as_bytes());
            return Ok(());
        }
        Output::Stdout.write(text)
    }

    /// Writes a result in each form that was asked for.
    ///
    /// # Errors
    /// The first file that could not be written; the others are.
    pub(super) fn write(self, report: &Report<'_>) -> Result<(), OutputError> {
        let json = self.json.map(|output| {
            output.write(&match report {
                Report::Run(result, _) => json(result),
                Report::Comparison(comparison) => json(comparison),
            })
        });
        let csv = self.csv.map(|output| output.write(&csv::text(report)));
        let html = self.html.map(|output| output.write(&page::text(report)));
        [json, csv, html].into_iter().flatten().collect()
    }
}

impl Output {
    fn open(path: &Path) -> Result<Self, OptionsError> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        // Not truncated: what an earlier run has left may be what this one is compared with.
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        match opened {
            Ok(file) => Ok(Self::File {
                path: path.to_owned(),
                file,
            }),
            Err(error) => Err(OptionsError::Write {
                path: path.to_owned(),
                message: error.to_string(),
            }),
        }
    }

    fn write(self, text: &str) -> Result<(), OutputError> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let wrote = stdout.write_all(text.as_bytes());
                match wrote.and_then(|()| stdout.flush()) {
                    // That nobody reads it is no reason to fail.
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError {
                        path: PathBuf::from("the standard output"),
                        error,
                    }),
                    _ => Ok(()),
                }
            }
            Self::File { path, mut file } => {
                let wrote = truncate(&file).and_then(|()| file.write_all(text.as_bytes()));
                wrote.map_err(|error| OutputError { path, error })
            }
        }
    }
}

/// Empties a file; a pipe or a device has nothing to empty.
fn truncate(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(())
}

/// A value as JSON with a line end. Every type here can be written as JSON.
fn json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
