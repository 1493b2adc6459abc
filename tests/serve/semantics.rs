//! What requests mean (RFC 9110): targets, methods, conditions, ranges, and nothing from outside the root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::{BOTH, Client, Limits, Scheme};
use crate::server::Server;
use crate::trust::tls_config;

const TEXT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz\n";
const SECRET: &str = "nobody may read this";

struct Site {
    server: Server,
    _outside: TempDir,
    _root: TempDir,
}

fn site() -> Site {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.txt"), SECRET).unwrap();
    let root = TempDir::new().unwrap();
    let at = |path: &str| root.path().join(path);
    fs::create_dir_all(at("folder/empty")).unwrap();
    fs::create_dir_all(at("with space")).unwrap();
    fs::write(at("index.html"), "<h1>home</h1>").unwrap();
    fs::write(at("text.txt"), TEXT).unwrap();
    fs::write(at("nothing.txt"), "").unwrap();
    fs::write(at("style.css"), "body {}").unwrap();
    fs::write(at("script.js"), "0").unwrap();
    fs::write(at("picture.png"), b"\x89PNG").unwrap();
    fs::write(at("data.json"), "{}").unwrap();
    fs::write(at("without-a-known-type.qqq"), "?").unwrap();
    fs::write(at("folder/index.html"), "<h1>folder</h1>").unwrap();
    fs::write(at("with space/100%.txt"), "spaced").unwrap();
    symlink(outside.path().join("secret.txt"), at("link-outside.txt")).unwrap();
    symlink(outside.path(), at("folder-outside")).unwrap();
    symlink("../../../../../../../../etc/passwd", at("link-up.txt")).unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    Site {
        server,
        _outside: outside,
        _root: root,
    }
}

#[tokio::test]
async fn files_folders_and_types() {
    let site = site();
    for scheme in BOTH {
        let client = Client::connect(&site.server, scheme, Limits::default())
            .await
            .unwrap();
        for (path, kind, body) in [
            ("/", "text/html", "<h1>home</h1>"),
            ("/index.html", "text/html", "<h1>home</h1>"),
            ("/folder/", "text/html", "<h1>folder</h1>"),
            ("/style.css", "text/css", "body {}"),
            ("/script.js", "javascript", "0"),
            ("/data.json", "application/json", "{}"),
            ("/nothing.txt", "text/plain", ""),
            (
                "/text.txt?query=ignored",
                "text/plain",
                std::str::from_utf8(TEXT).unwrap(),
            ),
            (
                "/%74ext.txt",
                "text/plain",
                std::str::from_utf8(TEXT).unwrap(),
            ),
            ("/with%20space/100%25.txt", "text/plain", "spaced"),
            ("/without-a-known-type.qqq", "application/octet-stream", "?"),
        ] {
            let answer = client.exchange(Method::GET, path, &[]).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.body, body.as_bytes(), "{path}");
            assert!(
                answer.header("content-type").contains(kind),
                "{path}: {}",
                answer.header("content-type")
            );
            assert_eq!(
                answer.header("content-length"),
                body.len().to_string(),
                "{path}"
            );
            let etag = answer.header("etag");
            assert!(
                etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
                "{path}: {etag} is not strong"
            );
            httpdate::parse_http_date(answer.header("last-modified")).unwrap();
            httpdate::parse_http_date(answer.header("date")).unwrap();

            let head = client.exchange(Method::HEAD, path, &[]).await;
            assert_eq!(head.status, StatusCode::OK, "{path}");
            assert!(head.body.is_empty(), "{path}: a body in answer to HEAD");
            for name in ["content-type", "content-length", "etag", "last-modified"] {
                assert_eq!(
                    head.header(name),
                    answer.header(name),
                    "{path}: {name} of HEAD"
                );
            }
        }

        let answer = client.exchange(Method::GET, "/folder", &[]).await;
        assert!(answer.status.is_redirection(), "{}", answer.status);
        assert!(
            answer.header("location").ends_with("/folder/"),
            "{}",
            answer.header("location")
        );
        let answer = client.exchange(Method::GET, "/folder/empty/", &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "a folder without an index");
        let page = String::from_utf8(answer.body).unwrap();
        assert!(page.contains("<html") && page.contains("empty"), "{page}");
    }
    site.server.drained().await.assert_clean();
}

#[tokio::test]
async fn a_redirect_never_leaves_the_site() {
    let site = site();
    let client = Client::connect(&site.server, BOTH[0], Limits::default())
        .await
        .unwrap();
    for path in [
        "//example.org/..",
        "//folder",
        "/%2fexample.org",
        "//example.org/%2e%2e/folder",
    ] {
        let answer = client.exchange(Method::GET, path, &[]).await;
        let location = answer.header("location");
        assert!(
            !location.starts_with("//") && !location.contains("example.org"),
            "{path} leads to {location}"
        );
    }
}

#[tokio::test]
async fn refusals() {
    let site = site();
    for scheme in BOTH {
        let client = Client::connect(&site.server, scheme, Limits::default())
            .await
            .unwrap();
        for path in [
            "/missing.txt",
            "/missing/",
            "/text.txt/",
            "/folder/missing",
            "/text.txt/more",
        ] {
            let answer = client.exchange(Method::GET, path, &[]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert!(answer.body.len() < 4_096);
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = client.exchange(method.clone(), "/text.txt", &[]).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
            let allow = answer.header("allow");
            assert!(
                allow.contains("GET") && allow.contains("HEAD"),
                "{method}: allow: {allow}"
            );
        }
        let answer = client.exchange(Method::HEAD, "/missing.txt", &[]).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (StatusCode::NOT_FOUND, 0)
        );
    }
    site.server.drained().await.assert_clean();
}

/// Whatever a path is made of, it leads to nothing outside of the root.
#[tokio::test]
async fn nothing_from_outside() {
    let site = site();
    let outside = site._outside.path().to_str().unwrap().to_owned();
    let up = "/..".repeat(12);
    let encoded_up = "/%2e%2e".repeat(12);
    let long = format!("/{}", "a".repeat(5_000));
    let paths = [
        "/../etc/passwd".to_owned(),
        format!("{up}/etc/passwd"),
        format!("{up}{outside}/secret.txt"),
        format!("{encoded_up}/etc/passwd"),
        format!("{encoded_up}{outside}/secret.txt"),
        "/%2e%2e/".to_owned(),
        "/..%2f..%2fetc%2fpasswd".to_owned(),
        "/folder/..%2f..%2f..%2fetc/passwd".to_owned(),
        "/folder%2findex.html".to_owned(),
        "/folder%5c..%5c..%5cetc%5cpasswd".to_owned(),
        "/a%2fb".to_owned(),
        "/text.txt%00".to_owned(),
        "/%00".to_owned(),
        "/text.txt%00.png".to_owned(),
        "/%zz".to_owned(),
        "/%".to_owned(),
        "/link-outside.txt".to_owned(),
        "/link-up.txt".to_owned(),
        "/folder-outside/secret.txt".to_owned(),
        "/folder-outside/".to_owned(),
        format!("/{outside}/secret.txt"),
        format!("//{outside}/secret.txt"),
        "/proc/self/environ".to_owned(),
        long,
    ];
    for scheme in BOTH {
        let client = Client::connect(&site.server, scheme, Limits::default())
            .await
            .unwrap();
        for path in &paths {
            let answer = client.exchange(Method::GET, path, &[]).await;
            let body = String::from_utf8_lossy(&answer.body);
            assert!(
                !body.contains(SECRET) && !body.contains("root:"),
                "{path} leads outside"
            );
            let refused = [400, 403, 404, 414].contains(&answer.status.as_u16());
            assert!(refused, "{path}: {} {body}", answer.status);
        }
        // The connection has outlived them all.
        assert_eq!(
            client.exchange(Method::GET, "/text.txt", &[]).await.body,
            TEXT
        );
    }
    for path in ["/../etc/passwd", "/%2e%2e/", "/a%2fb", "/%00"] {
        let client = Client::connect(&site.server, BOTH[0], Limits::default())
            .await
            .unwrap();
        let answer = client.exchange(Method::GET, path, &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    site.server.drained().await.assert_clean();
}

#[tokio::test]
async fn ranges() {
    let site = site();
    let len = TEXT.len();
    for scheme in BOTH {
        let client = Client::connect(&site.server, scheme, Limits::default())
            .await
            .unwrap();
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=5-9", 5, 9),
            ("bytes=10-", 10, len - 1),
            ("bytes=-1", len - 1, len - 1),
            ("bytes=-10", len - 10, len - 1),
            ("bytes=-999999", 0, len - 1),
            ("bytes=3-99999999999", 3, len - 1),
            ("bytes=0-18446744073709551615", 0, len - 1),
        ] {
            let answer = client
                .exchange(Method::GET, "/text.txt", &[("range", range)])
                .await;
            assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
            assert_eq!(
                answer.header("content-range"),
                format!("bytes {first}-{last}/{len}"),
                "{range}"
            );
            assert_eq!(
                answer.header("content-length"),
                (last - first + 1).to_string(),
                "{range}"
            );
            assert_eq!(answer.body, &TEXT[first..=last], "{range}");
        }
        for range in [
            format!("bytes={len}-"),
            "bytes=99999-".to_owned(),
            "bytes=-0".to_owned(),
        ] {
            let answer = client
                .exchange(Method::GET, "/text.txt", &[("range", &range)])
                .await;
            assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            assert_eq!(
                answer.header("content-range"),
                format!("bytes */{len}"),
                "{range}"
            );
        }
        // What is no valid range of bytes is as if it were not there (RFC 9110 section 14.2).
        for range in [
            "bytes=9-5",
            "lines=1-2",
            "bytes=a-b",
            "bytes",
            "bytes=",
            "bytes=--1",
        ] {
            let answer = client
                .exchange(Method::GET, "/text.txt", &[("range", range)])
                .await;
            assert_eq!(answer.status, StatusCode::OK, "{range}");
            assert_eq!(answer.body, TEXT, "{range}");
        }
        // A range means something in a GET alone.
        let answer = client
            .exchange(Method::HEAD, "/text.txt", &[("range", "bytes=0-3")])
            .await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        assert_eq!(answer.header("accept-ranges"), "bytes");
    }
    site.server.drained().await.assert_clean();
}

#[tokio::test]
async fn conditions() {
    let site = site();
    for scheme in BOTH {
        let client = Client::connect(&site.server, scheme, Limits::default())
            .await
            .unwrap();
        let whole = client.exchange(Method::GET, "/text.txt", &[]).await;
        let (etag, modified) = (
            whole.header("etag").to_owned(),
            whole.header("last-modified").to_owned(),
        );
        let (etag, modified) = (etag.as_str(), modified.as_str());
        let weak = format!("W/{etag}");
        let several = format!("\"other\", {etag}");
        let (past, future) = (
            "Thu, 01 Jan 1998 00:00:00 GMT",
            "Fri, 31 Dec 2066 23:59:59 GMT",
        );
        let part = ("range", "bytes=0-4");
        let cases: &[(&[(&str, &str)], u16)] = &[
            (&[("if-none-match", etag)], 304),
            (&[("if-none-match", &weak)], 304),
            (&[("if-none-match", &several)], 304),
            (&[("if-none-match", "*")], 304),
            (&[("if-none-match", "\"other\"")], 200),
            (&[("if-modified-since", modified)], 304),
            (&[("if-modified-since", past)], 200),
            (&[("if-modified-since", "nonsense")], 200),
            (
                &[
                    ("if-none-match", "\"other\""),
                    ("if-modified-since", future),
                ],
                200,
            ),
            (&[("if-match", etag)], 200),
            (&[("if-match", "*")], 200),
            (&[("if-match", "\"other\"")], 412),
            (&[("if-match", &weak)], 412),
            (&[("if-unmodified-since", past)], 412),
            (&[("if-unmodified-since", modified)], 200),
            (&[("if-match", etag), ("if-unmodified-since", past)], 200),
            (&[("if-match", "\"other\""), ("if-none-match", etag)], 412),
            (&[part, ("if-range", etag)], 206),
            (&[part, ("if-range", "\"other\"")], 200),
            (&[part, ("if-range", &weak)], 200),
            (&[part, ("if-range", past)], 200),
            (&[part, ("if-none-match", etag)], 304),
        ];
        for (fields, expected) in cases {
            for method in [Method::GET, Method::HEAD] {
                let answer = client.exchange(method.clone(), "/text.txt", fields).await;
                // HEAD has no ranges.
                let expected = if method == Method::HEAD && *expected == 206 {
                    200
                } else {
                    *expected
                };
                assert_eq!(answer.status.as_u16(), expected, "{method} {fields:?}");
                let body: &[u8] = match expected {
                    200 => TEXT,
                    206 => &TEXT[..5],
                    _ => b"",
                };
                if method == Method::HEAD || expected == 304 {
                    assert!(answer.body.is_empty(), "{method} {fields:?}");
                } else if expected != 412 {
                    assert_eq!(answer.body, body, "{method} {fields:?}");
                }
                if expected == 304 {
                    assert_eq!(answer.header("etag"), etag, "{fields:?}");
                }
            }
        }
    }
    site.server.drained().await.assert_clean();
}

#[tokio::test]
async fn a_changed_file_has_another_etag() {
    let site = site();
    let client = Client::connect(&site.server, BOTH[0], Limits::default())
        .await
        .unwrap();
    let before = client.exchange(Method::GET, "/style.css", &[]).await;
    replace(&site._root.path().join("style.css"), "body { margin: 0 }");
    // A server may look at a file again only every so often; ten seconds are more than anybody waits.
    let mut after = client.exchange(Method::GET, "/style.css", &[]).await;
    for _ in 0..100 {
        if after.body != before.body {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        after = client.exchange(Method::GET, "/style.css", &[]).await;
    }
    assert_eq!(after.body, b"body { margin: 0 }");
    assert_ne!(after.header("etag"), before.header("etag"));
}

/// Puts a new file in the place of an old one, as editors and deployments do.
fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::rename(&beside, path).unwrap();
}

#[tokio::test]
async fn what_may_lie_coded_beside_is_said_to_vary_to_all() {
    let root = TempDir::new().unwrap();
    let at = |path: &str| root.path().join(path);
    // More than is coded here.
    fs::File::create(at("large.css"))
        .and_then(|file| file.set_len(4 << 20))
        .unwrap();
    fs::write(at("large.css.br"), "coded").unwrap();
    fs::write(at("picture.png"), "").unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    let client = Client::connect(&server, Scheme::Clear, Limits::default())
        .await
        .unwrap();
    for (path, accepted, varies) in [
        ("/large.css", None, true),
        ("/large.css", Some("gzip"), true),
        ("/large.css", Some("br"), true),
        ("/picture.png", None, false),
        ("/picture.png", Some("br"), false),
    ] {
        let accepted = accepted.map(|coding| ("accept-encoding", coding));
        let answer = client
            .exchange(Method::HEAD, path, accepted.as_slice())
            .await;
        let said = answer.headers.get("vary").map(|vary| vary.as_bytes());
        let expected = varies.then_some(&b"accept-encoding"[..]);
        assert_eq!(said, expected, "{path} {accepted:?}");
    }
}

#[tokio::test]
async fn a_date_of_the_future_is_cut_only_for_as_long_as_it_is_one() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("new.txt");
    let modified = SystemTime::now() + Duration::from_secs(1);
    let file = fs::File::create(&path).unwrap();
    file.set_modified(modified).unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    let client = Client::connect(&server, Scheme::Clear, Limits::default())
        .await
        .unwrap();
    let true_date = httpdate::fmt_http_date(modified);
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = client.exchange(Method::GET, "/new.txt", &[]).await;
        let said = answer.header("last-modified");
        let parse = |date| httpdate::parse_http_date(date).unwrap();
        assert!(parse(said) <= parse(answer.header("date")));
        if said == true_date {
            break;
        }
        assert!(Instant::now() < until, "{said} instead of {true_date}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn http_1_of_both_versions_is_agreed_on_over_tls() {
    let root = TempDir::new().unwrap();
    fs::write(root.path().join("a.txt"), TEXT).unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    for (offered, version) in [("http/1.1", "HTTP/1.1"), ("http/1.0", "HTTP/1.0")] {
        let config = tls_config(&server.certificate(), rustls::DEFAULT_VERSIONS);
        let mut config = (*config).clone();
        config.alpn_protocols = vec![offered.into()];
        let socket = TcpStream::connect(server.https).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .unwrap();
        let agreed = tls.get_ref().1.alpn_protocol();
        assert_eq!(agreed, Some(offered.as_bytes()));
        let request =
            format!("GET /a.txt {version}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tls.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(TEXT));
    }
}

#[tokio::test]
async fn http_without_tls_is_told_so_where_tls_is_spoken() {
    let root = TempDir::new().unwrap();
    let server = Server::start(root.path(), &["--shards", "1"]);
    for (request, has_content) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", false),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true),
    ] {
        let mut socket = TcpStream::connect(server.https).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(
            answer.ends_with("ask with https\n"),
            has_content,
            "{answer}"
        );
    }
    server.stop().assert_clean();
}
