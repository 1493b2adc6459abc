//! The `ringlane` program: arguments, configuration, server, load.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use ringlane::bench::{self, CommandError, Ending};
use ringlane::cli::{Args, Command, ServeArgs};
use ringlane::config::{Config, ConfigError, File, LogLevel};
use ringlane::server::{self, console};
use tracing::level_filters::LevelFilter;

/// The exit code for a configuration that cannot be used; clap has the same for arguments.
const EXIT_USAGE: u8 = 2;
/// The exit code for a figure that has lost more than `--max-loss`.
const EXIT_LOSS: u8 = 3;

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Serve(args) => serve(&args),
        Command::Bench(args) => bench(&args),
    }
}

fn serve(args: &ServeArgs) -> ExitCode {
    let config = match configure(args) {
        Ok(config) => config,
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    if args.check {
        let now = SystemTime::now();
        for refused in config
            .given_certificates()
            .filter_map(|files| files.out_of_date(now))
        {
            let _ = writeln!(stderr(), "ringlane: {refused}");
        }
        // The exit code says it too. Not println!, here and below: that panics when nobody reads.
        let _ = writeln!(stdout(), "configuration ok");
        return ExitCode::SUCCESS;
    }
    log_to_stderr(config.log_level());
    match server::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn bench(args: &bench::Args) -> ExitCode {
    log_to_stderr(LogLevel::Warn);
    match bench::command(args) {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::Bad) => ExitCode::FAILURE,
        Ok(Ending::Loss) => ExitCode::from(EXIT_LOSS),
        Err(CommandError::Options(error)) => fail(&error, EXIT_USAGE),
        Err(error) => fail(&error, 1),
    }
}

fn configure(args: &ServeArgs) -> Result<Config, ConfigError> {
    let file = match &args.config {
        Some(path) => File::read(path)?,
        None => File::default(),
    };
    Config::new(args.settings().or(file))
}

fn fail(error: &dyn Display, code: u8) -> ExitCode {
    let _ = console::error().write_all(format!("ringlane: {error}\n").as_bytes());
    ExitCode::from(code)
}

fn log_to_stderr(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(console::error)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        // A failed write would be told by eprintln!, which panics when that fails as well: what nobody reads is no reason
        // to stop serving.
        .log_internal_errors(false)
        .init();
}
