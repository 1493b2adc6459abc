//! What is typed, and what is said when it cannot be.

#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::*;
use crate::h2::limits::MAX_MAX_FRAME_SIZE;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// The words of a command line, in which the URL is left out.
fn options(line: &str) -> Result<Options, String> {
    let words = ["bench", "http://127.0.0.1:1/a"].into_iter();
    parse(words.chain(line.split_whitespace()))
}

fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Options, String> {
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    Options::new(&line.args).map_err(|error| error.to_string())
}

#[test]
fn defaults() {
    let options = options("").unwrap();
    assert_eq!((options.connections, options.streams), (1, 1));
    assert_eq!(options.cores.len(), 1);
    assert_eq!(options.protocols, [Protocol::H2]);
    assert_eq!(options.timeout, Duration::from_secs(30));
    let load = Load::Closed {
        duration: Duration::from_secs(10),
        connections: vec![1],
    };
    assert_eq!(options.load, load);
    assert_eq!(options.h2.max_frame_size, 16_384);
    let tls = parse(["bench", "https://h/", "-k"].into_iter()).unwrap();
    assert_eq!(tls.protocols, [Protocol::H2, Protocol::Http1]);
    assert!(matches!(tls.trust, Trust::Anything));
    assert_eq!(tls.setup().protocol, "h2,http/1.1");
}

#[test]
fn added_fields_are_marked_but_not_kept() {
    let marks = |line: &str| options(line).unwrap().setup().fields;
    assert_eq!(marks(""), [] as [&str; 0]);
    let two = marks("-H x-token:secret -H accept-encoding:gzip");
    assert_eq!(two, marks("-H accept-encoding:gzip -H x-token:secret"));
    assert_ne!(two, marks("-H accept-encoding:br -H x-token:secret"));
    // As sha256sum has it.
    assert_eq!(two[1], "x-token=2bb80d53");
    assert_eq!(
        marks(concat!("-H x-client:ringlane/", env!("CARGO_PKG_VERSION"))).len(),
        1
    );
    // Another site of the same server is another load.
    let host = marks("-H host:b.example");
    assert!(host.len() == 1 && host[0].starts_with("host="), "{host:?}");
    assert_ne!(host, marks("-H Host:c.example"));
    assert_eq!(marks("-H host:127.0.0.1:1"), marks(""));
}

#[test]
fn loads() {
    let load = |line: &str| options(line).map(|options| (options.load, options.connections));
    assert_eq!(load("-n 100 -c 3"), Ok((Load::Requests(100), 3)));
    let duration = Duration::from_millis(1_500);
    let open = |rates: &[f64]| Load::Open {
        duration,
        rates: rates.to_vec(),
    };
    assert_eq!(load("-r 99.5 -d 1.5s -c 7"), Ok((open(&[99.5]), 7)));
    assert_eq!(
        load("--steps rate:1,20,300 -d 1500ms"),
        Ok((open(&[1.0, 20.0, 300.0]), 1))
    );
    let closed = Load::Closed {
        duration,
        connections: vec![1, 50, 3],
    };
    assert_eq!(
        load("--steps connections:1,50,3 -d 1500ms"),
        Ok((closed, 50))
    );
}

#[test]
fn protocols_and_sizes() {
    let large = options("--frame-policy large --window 1g").unwrap();
    assert_eq!(large.h2.max_frame_size, MAX_MAX_FRAME_SIZE);
    assert_eq!(large.h2.initial_window_size, 1 << 30);
    let raised = options("--frame-policy sufficient --max-frame-size 32k").unwrap();
    assert_eq!(raised.frame_policy, FramePolicy::Sufficient);
    assert_eq!(raised.h2.max_frame_size, 32_768);
    assert_eq!(options("--http1").unwrap().protocols, [Protocol::Http1]);
    let words = ["bench", "https://h/", "-k", "--alpn", "http/1.1"];
    assert_eq!(
        parse(words.into_iter()).unwrap().protocols,
        [Protocol::Http1]
    );
    assert!(!options("--tls-resumption off").unwrap().tls_resumption);
}

#[test]
fn fields_of_requests() {
    let words = [
        "bench",
        "http://h:8/",
        "-H",
        "X-A: one",
        "-H",
        "host: other",
        "-H",
        "x-a: two",
    ];
    let options = parse(words.into_iter()).unwrap();
    assert_eq!(options.origin.authority, "other");
    assert_eq!(options.fields[0].0, "user-agent");
    assert_eq!(options.fields[1..], [("x-a".to_owned(), "two".to_owned())]);
}

#[test]
fn parts_and_uploads() {
    let part = |line: &str| options(line).map(|options| options.part);
    for range in ["0-0", "5-", "-5"] {
        let asked = Asked::parse(range).unwrap();
        assert_eq!(part(&format!("--range={range}")), Ok(Part::Fixed(asked)));
        assert_eq!(part(&format!("--range {range}")), Ok(Part::Fixed(asked)));
    }
    assert_eq!(part("--random-range 64k"), Ok(Part::Random(65_536)));
    let upload = options("--upload 3k").unwrap().upload;
    assert_eq!(upload.map(|body| body.len()), Some(3_072));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "content").unwrap();
    let line = format!("--upload {}", file.path().display());
    assert_eq!(options(&line).unwrap().upload.unwrap(), "content");
}

#[test]
fn what_cannot_be_done_says_what_to_write() {
    for (line, says) in [
        ("-c 0", "--connections must be 1 to"),
        ("-m 0", "--streams must be 1 to"),
        ("-n 0", "--requests must be at least 1"),
        ("-n 5 -d 1s", "--requests and --duration"),
        ("-n 5 -r 1", "--requests and --rate"),
        ("-n 5 --steps rate:1,2", "--requests and --steps"),
        ("-r 5 --steps rate:1,2", "--rate and --steps"),
        ("-c 5 --steps connections:1,2", "--connections and --steps"),
        ("-r 0", "--rate must be above 0"),
        ("-r nan", "--rate must be above 0"),
        ("-r 1e10", "--rate must be above 0, at most"),
        ("-d 0s", "--duration must be longer"),
        ("-t 0s", "--timeout must be longer"),
        ("-d tomorrow", "`tomorrow` is not a length of time"),
        ("--steps 1,2", "write rate:"),
        ("--steps rate:1,x", "write rate:"),
        ("--steps connections:0", "write rate:"),
        ("--range 5", "write 0-499"),
        ("--range 5-4", "write 0-499"),
        ("--range a-b", "write 0-499"),
        ("--random-range 0", "at least 1"),
        ("--range 0-1 --random-range 5", "one range"),
        ("--upload /nowhere/at-all", "cannot read /nowhere/at-all"),
        ("--upload 5g", "at most 4g"),
        ("--upload /", "not a regular file"),
        ("--verify abc", "64 hexadecimal digits"),
        ("--expect /nowhere/at-all", "cannot read /nowhere/at-all"),
        ("--http1 -m 2", "one request at a time"),
        ("--alpn h2", "part of TLS"),
        ("--window 3g", "--window must be"),
        ("--conn-window 1k", "--conn-window must be 65,535"),
        ("--max-frame-size 1k", "--max-frame-size must be 16,384"),
        (
            "--max-frame-size 64k --frame-policy large",
            "sizes themselves",
        ),
        ("--frame-policy huge", "sufficient"),
        ("-H nothing", "write `name: value`"),
        ("-H connection:close", "belongs to the connection"),
        ("-H content-length:5", "--upload"),
        ("-H range:bytes=0-1", "use --range"),
        ("-H \u{e4}:x", "no token"),
        ("--cores 8191", "cores 8191 are not available"),
        ("--pid 1 --server-cgroup /x", "one place"),
        ("--urls-from /nowhere/at-all", "cannot read /nowhere/at-all"),
    ] {
        let error = options(line).map(drop).unwrap_err();
        assert!(error.contains(says), "{line}: {error}");
    }
    let tls = |line: &str| {
        let words = ["bench", "https://h/"].into_iter();
        let parsed = parse(words.chain(line.split_whitespace()));
        parsed.map(drop).unwrap_err()
    };
    assert!(tls("-k --alpn h3").contains("`h3` is no list"));
    assert!(tls("-k --alpn h2,h2").contains("is no list"));
    assert!(tls("-k --alpn h2 --http1").contains("--alpn and --http1"));
    assert!(tls("-k --cacert /x").contains("--cacert and --insecure"));
    assert!(tls("--cacert /nowhere/at-all").contains("/nowhere/at-all"));
    assert!(tls("--cacert /dev/null").contains("no certificate"));
    assert!(parse(["bench"].into_iter()).unwrap_err().contains("no URL"));
}
