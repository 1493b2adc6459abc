//! The peer's SETTINGS_MAX_FRAME_SIZE: what large frames bring, and what a small response behind a large body waits.
//!
//! `cargo bench --bench frame_size [-- --svg FILE]`
//!
//! One client on loopback downloads a large file again and again and asks for a small one (`u=0`) every few
//! milliseconds, once as fast as it can and once at 100 MB/s. A table goes to stdout: throughput, the server's CPU
//! time per GB, the largest frame seen, and the wait of the small response. At 100 MB/s what the sockets have
//! buffered comes on top of what the server commits at a time.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use plotters::prelude::*;
use ringlane::h2::frame::{FRAME_HEADER_LEN, FrameHeader, Kind, flags, window_update};
use ringlane::h2::hpack::{Indexing, encode_field};
use ringlane::h2::limits::{DEFAULT_WINDOW, MAX_MAX_FRAME_SIZE, MAX_WINDOW, PREFACE};
use ringlane::h2::settings::{SettingsFrame, id};

const FRAME_SIZES: [u32; 5] = [16 << 10, 64 << 10, 256 << 10, 1 << 20, MAX_MAX_FRAME_SIZE];
/// Bytes per second that the client takes; `None` for all it can.
const RATES: [Option<u64>; 2] = [None, Some(100_000_000)];
const LARGE_BYTES: usize = 256 << 20;
const SMALL_BYTES: usize = 1_000;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(3);
/// Bytes that are read before the connection's window is given back.
const CREDIT: u32 = 512 << 20;

struct Server {
    child: Child,
    /// What it says; a closed pipe would end it.
    _said: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Server {
    fn start(root: &Path, state: &Path) -> Self {
        let program = std::env::var_os("RINGLANE")
            .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_ringlane")));
        let mut child = Command::new(program)
            .arg("serve")
            .arg(root)
            .args(["--http", "127.0.0.1:0", "--https", "none", "--shards", "1"])
            .env("XDG_STATE_HOME", state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("http://")?;
                rest.split(['/', ' ']).next()?.parse().ok()
            })
            .unwrap();
        Self {
            child,
            _said: said,
            address,
        }
    }

    /// Seconds of CPU time so far, of all threads.
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = |n| {
            fields
                .split_whitespace()
                .nth(n)
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Row {
    frame_size: u32,
    rate: Option<u64>,
    megabytes_per_second: f64,
    cpu_per_gigabyte: f64,
    largest: u32,
    waits: Vec<Duration>,
}

impl Row {
    fn wait_ms(&self, quantile: f64) -> f64 {
        let at = ((self.waits.len() - 1) as f64 * quantile) as usize;
        self.waits[at].as_secs_f64() * 1e3
    }
}

fn get(stream: u32, path: &str, priority: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("priority", priority),
    ] {
        encode_field(
            &mut block,
            name.as_bytes(),
            value.as_bytes(),
            Indexing::Without,
        );
    }
    let header = FrameHeader {
        length: block.len() as u32,
        kind: Kind::HEADERS,
        flags: flags::END_HEADERS | flags::END_STREAM,
        stream_id: stream,
    };
    [&header.to_bytes()[..], &block].concat()
}

/// One measurement on a connection of its own.
fn measure(server: &Server, frame_size: u32, rate: Option<u64>) -> Row {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_nodelay(true).unwrap();
    let settings = SettingsFrame::new(&[
        (id::INITIAL_WINDOW_SIZE, MAX_WINDOW),
        (id::MAX_FRAME_SIZE, frame_size),
    ]);
    let ack = FrameHeader {
        length: 0,
        kind: Kind::SETTINGS,
        flags: flags::ACK,
        stream_id: 0,
    };
    let first = [
        &PREFACE[..],
        settings.as_bytes(),
        &ack.to_bytes(),
        &window_update(0, MAX_WINDOW - DEFAULT_WINDOW),
        &get(1, "/large", "u=5"),
    ];
    socket.write_all(&first.concat()).unwrap();

    let mut buffer = vec![0; 256 << 10];
    let (mut large, mut next) = (1, 3);
    let mut small: Option<(u32, Instant)> = None;
    let mut answered = Instant::now();
    let mut head = Vec::new();
    let mut frame: Option<(FrameHeader, usize)> = None;
    let (mut total, mut owed, mut measured) = (0_u64, 0_u32, 0_u64);
    let (mut largest, mut waits) = (0, Vec::new());
    let began = Instant::now();
    let mut since = None;
    while since.is_none_or(|(at, _): (Instant, f64)| at.elapsed() < MEASURE) {
        let n = socket.read(&mut buffer).unwrap();
        assert!(n > 0, "the server ended the connection");
        total += n as u64;
        if since.is_none() && began.elapsed() >= WARM_UP {
            since = Some((Instant::now(), server.cpu_seconds()));
        }
        measured += if since.is_some() { n as u64 } else { 0 };
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            let (header, left) = match frame.take() {
                Some(frame) => frame,
                None => {
                    let take = (FRAME_HEADER_LEN - head.len()).min(rest.len());
                    head.extend_from_slice(&rest[..take]);
                    rest = &rest[take..];
                    let Some(bytes) = head.first_chunk() else {
                        break;
                    };
                    let header = FrameHeader::parse(bytes);
                    head.clear();
                    largest = largest.max(header.length);
                    (header, header.length as usize)
                }
            };
            let take = left.min(rest.len());
            rest = &rest[take..];
            if take < left {
                frame = Some((header, left - take));
                continue;
            }
            if header.kind == Kind::DATA {
                owed += header.length;
            }
            let ends =
                matches!(header.kind, Kind::DATA | Kind::HEADERS) && header.has(flags::END_STREAM);
            if ends && header.stream_id == large {
                large = next;
                next += 2;
                socket.write_all(&get(large, "/large", "u=5")).unwrap();
            } else if ends && let Some((_, asked)) = small.take() {
                answered = Instant::now();
                if since.is_some() {
                    waits.push(asked.elapsed());
                }
            }
        }
        if owed >= CREDIT {
            socket.write_all(&window_update(0, owed)).unwrap();
            owed = 0;
        }
        if small.is_none() && answered.elapsed() >= PAUSE {
            socket.write_all(&get(next, "/small", "u=0")).unwrap();
            small = Some((next, Instant::now()));
            next += 2;
        }
        if let Some(rate) = rate {
            let due = Duration::from_secs_f64(total as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }
    let (at, cpu) = since.unwrap();
    waits.sort();
    Row {
        frame_size,
        rate,
        megabytes_per_second: measured as f64 / 1e6 / at.elapsed().as_secs_f64(),
        cpu_per_gigabyte: (server.cpu_seconds() - cpu) / (measured as f64 / 1e9),
        largest,
        waits,
    }
}

fn kib(bytes: u32) -> String {
    format!("{} KiB", bytes.div_ceil(1 << 10))
}

fn rate_name(rate: Option<u64>) -> String {
    rate.map_or("unbounded".to_owned(), |rate| {
        format!("{} MB/s", rate / 1_000_000)
    })
}

/// The wait of the small response (p99) against the frame size, a line for each rate.
fn draw(path: &str, rows: &[Row]) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, (720, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let most = rows.iter().map(|row| row.wait_ms(0.99)).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "wait of a small response behind a large body",
            ("sans-serif", 18),
        )
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((16_f64..16_384_f64).log_scale(), 0_f64..most * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("peer's SETTINGS_MAX_FRAME_SIZE, KiB")
        .y_desc("p99, ms")
        .draw()?;
    for (rate, color) in RATES.into_iter().zip([BLUE, RED]) {
        let points = rows
            .iter()
            .filter(|row| row.rate == rate)
            .map(|row| (f64::from(row.frame_size) / 1024.0, row.wait_ms(0.99)));
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(rate_name(rate))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    chart.configure_series_labels().border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("large"), vec![7; LARGE_BYTES]).unwrap();
    fs::write(root.join("small"), vec![7; SMALL_BYTES]).unwrap();
    let server = Server::start(&root, folder.path());
    println!(
        "| client reads | peer's frame size | largest frame | MB/s | CPU s/GB | small p50 ms | p99 ms | max ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for rate in RATES {
        for frame_size in FRAME_SIZES {
            let row = measure(&server, frame_size, rate);
            println!(
                "| {} | {} | {} | {:.0} | {:.3} | {:.2} | {:.2} | {:.2} |",
                rate_name(rate),
                kib(row.frame_size),
                kib(row.largest),
                row.megabytes_per_second,
                row.cpu_per_gigabyte,
                row.wait_ms(0.5),
                row.wait_ms(0.99),
                row.wait_ms(1.0),
            );
            rows.push(row);
        }
    }
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--svg") {
        let path = arguments.get(at + 1).expect("--svg FILE");
        draw(path, &rows).expect("the chart is written");
    }
}
