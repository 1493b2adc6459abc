//! Sites and rules from a configuration file, as a client meets them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use tempfile::TempDir;

use crate::client::{Answer, Client, Limits, Scheme};
use crate::server::Server;

/// The folders `default`, `docs`, `app` and `outside`, in each of which `name.txt` holds its name.
fn folders() -> TempDir {
    let home = TempDir::new().unwrap();
    for folder in ["default", "docs", "app", "outside"] {
        fs::create_dir(home.path().join(folder)).unwrap();
        write(home.path(), &format!("{folder}/name.txt"), folder);
    }
    home
}

fn write(home: &Path, path: &str, text: &str) {
    let path = home.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn serve(home: &Path, config: &str) -> Server {
    write(home, "ringlane.toml", config);
    Server::configured(&home.join("ringlane.toml"))
}

async fn ask(server: &Server, authority: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    asked(server, Method::GET, authority, path, fields).await
}

async fn asked(
    server: &Server,
    method: Method,
    authority: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let mut client = Client::connect(server, Scheme::Clear, Limits::default())
        .await
        .unwrap();
    client.ask_for(authority);
    client.exchange(method, path, fields).await
}

/// Whether Vary names this field.
fn varies_by(answer: &Answer, field: &str) -> bool {
    let mut lines = answer.headers.get_all("vary").iter();
    lines.any(|line| {
        line.to_str()
            .unwrap()
            .split(", ")
            .any(|name| name.eq_ignore_ascii_case(field))
    })
}

#[tokio::test]
async fn hosts_choose_sites_and_prefixes_choose_folders() {
    let home = folders();
    let server = serve(
        home.path(),
        r#"
        root = "default"
        mounts = [{ prefix = "/docs", root = "docs" }]
        [[site]]
        hosts = ["app.test", "*.app.test", "[::1]"]
        root = "app"
        mounts = [{ prefix = "/docs/v1", root = "docs" }]
        "#,
    );
    for (authority, path, body) in [
        ("127.0.0.1:80", "/name.txt", "default"),
        ("other.test", "/docs/name.txt", "docs"),
        ("other.test", "/docs//name.txt", "docs"),
        ("app.test", "/name.txt", "app"),
        ("WWW.App.Test:8080", "/name.txt", "app"),
        ("[0:0::1]:8080", "/name.txt", "app"),
        ("app.test", "/docs/v1/name.txt", "docs"),
        ("a.b.app.test", "/name.txt", "default"),
    ] {
        let answer = ask(&server, authority, path, &[]).await;
        assert_eq!(answer.status, 200, "{authority}{path}");
        assert_eq!(answer.body, body.as_bytes(), "{authority}{path}");
    }
    for (authority, path) in [
        ("app.test", "/docs/name.txt"),
        ("other.test", "/docsx/name.txt"),
        ("other.test", "/doc/name.txt"),
    ] {
        let answer = ask(&server, authority, path, &[]).await;
        assert_eq!(answer.status, 404, "{authority}{path}");
    }
    // A mount is a folder like another: without a slash it is a redirect, by the whole path.
    let answer = ask(&server, "app.test", "/docs/v1?q", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (301, "/docs/v1/?q")
    );
    server.drained().await.assert_clean();
}

#[tokio::test]
async fn a_host_of_no_site_is_misdirected_where_no_root_is_for_it() {
    let home = folders();
    let server = serve(
        home.path(),
        "[[site]]\nhosts = 'app.test'\nroot = 'app'\n[[rule]]\nmatch = '**'\nset = { x-a = 'b' }\n",
    );
    assert_eq!(
        ask(&server, "app.test", "/name.txt", &[]).await.body,
        b"app"
    );
    assert_eq!(
        ask(&server, "other.test", "/name.txt", &[]).await.status,
        421
    );
}

#[tokio::test]
async fn fields_follow_the_rules_in_their_order() {
    let home = folders();
    write(home.path(), "default/a.css", "a {}");
    write(home.path(), "default/data.bin", "data");
    let server = serve(
        home.path(),
        r#"
        root = "default"
        [[rule]]
        match = "**"
        set = { X-Frame-Options = "DENY", x-who = "all" }
        cache-control = "no-cache"
        [[rule]]
        match = "*.css"
        cache-control = "max-age=3600"
        set = { x-who = "styles" }
        [[rule]]
        match = "/*.bin"
        set = { content-type = "application/x-thing" }
        "#,
    );
    let css = ask(&server, "h", "/a.css", &[]).await;
    assert_eq!(css.header("cache-control"), "max-age=3600");
    assert_eq!(css.header("x-who"), "styles");
    assert_eq!(css.header("x-frame-options"), "DENY");
    assert_eq!(css.header("x-content-type-options"), "nosniff");
    let text = ask(&server, "h", "/name.txt", &[]).await;
    assert_eq!(text.header("cache-control"), "no-cache");
    assert_eq!(text.header("x-who"), "all");
    let bin = ask(&server, "h", "/data.bin", &[]).await;
    let types: Vec<_> = bin.headers.get_all("content-type").iter().collect();
    assert_eq!(types, ["application/x-thing"]);
    // An error is no such file, and is not kept like one.
    let missing = ask(&server, "h", "/missing.css", &[]).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("cache-control"), "");
    assert_eq!(missing.header("x-frame-options"), "DENY");
    let again = [("if-none-match", css.header("etag"))];
    let unchanged = ask(&server, "h", "/a.css", &again).await;
    assert_eq!(unchanged.status, 304);
    assert_eq!(unchanged.header("cache-control"), "max-age=3600");
}

#[tokio::test]
async fn redirects_keep_the_query_and_leave_files_alone() {
    let home = folders();
    write(home.path(), "default/old/kept.txt", "kept");
    let server = serve(
        home.path(),
        r#"
        root = "default"
        [[rule]]
        match = "/old/**"
        redirect = { to = "/new/{rest}", status = 301 }
        [[rule]]
        match = "/away"
        redirect = "https://example.org/{path}?from=here"
        [[rule]]
        match = "/old/kept.txt"
        redirect = "none"
        "#,
    );
    for (path, status, location) in [
        ("/old/a%20b/c?q=1", 301, "/new/a%20b/c?q=1"),
        ("/old/", 301, "/new/"),
        ("/away?q", 302, "https://example.org/away?from=here&q"),
    ] {
        let answer = ask(&server, "h", path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("location"), location, "{path}");
    }
    assert_eq!(ask(&server, "h", "/old/kept.txt", &[]).await.body, b"kept");
}

#[tokio::test]
async fn pages_stand_for_errors_and_for_what_an_application_routes() {
    let home = folders();
    write(home.path(), "default/errors/404.html", "<p>lost</p>");
    write(home.path(), "app/index.html", "<p>app</p>");
    let server = serve(
        home.path(),
        r#"
        root = "default"
        [[rule]]
        match = "**"
        error-pages = { 404 = "/errors/404.html", 4xx = "/errors/missing.html" }
        [[site]]
        hosts = "app.test"
        root = "app"
        [[site.rule]]
        match = "**"
        fallback = "/index.html"
        [[site.rule]]
        match = "/api/**"
        fallback = "none"
        "#,
    );
    let lost = ask(&server, "h", "/nowhere", &[]).await;
    assert_eq!(
        (lost.status.as_u16(), &lost.body[..]),
        (404, &b"<p>lost</p>"[..])
    );
    assert!(lost.header("content-type").starts_with("text/html"));
    let page = [("accept", "text/html,*/*;q=0.8")];
    let script = [("accept", "*/*")];
    let routed = ask(&server, "app.test", "/users/7", &page).await;
    assert_eq!(
        (routed.status.as_u16(), &routed.body[..]),
        (200, &b"<p>app</p>"[..])
    );
    assert!(varies_by(&routed, "accept"));
    let itself = ask(&server, "app.test", "/index.html", &page).await;
    assert!(!varies_by(&itself, "accept"));
    // The page for 404 is not there in this site: a line of text stands for it.
    for (path, fields) in [
        ("/users/7", &script[..]),
        ("/users/7", &[]),
        ("/api/7", &page),
    ] {
        let answer = ask(&server, "app.test", path, fields).await;
        assert_eq!(answer.status, 404, "{path} {fields:?}");
        assert!(answer.header("content-type").starts_with("text/plain"));
        assert_eq!(varies_by(&answer, "accept"), path == "/users/7");
    }
    assert_eq!(
        ask(&server, "app.test", "/name.txt", &page).await.body,
        b"app"
    );
}

#[tokio::test]
async fn pages_stand_for_what_rules_and_methods_refuse_too() {
    let home = folders();
    write(home.path(), "default/error.html", "<p>no</p>");
    write(home.path(), "default/.hidden", "");
    let server = serve(
        home.path(),
        "root = 'default'\n[[rule]]\nmatch = '**'\nerror-pages = { 4xx = '/error.html' }\n",
    );
    for (method, path, status) in [
        (Method::GET, "/.hidden", 404),
        (Method::GET, "/.hidden/", 404),
        (Method::GET, "/name.txt/", 404),
        (Method::POST, "/name.txt", 405),
    ] {
        let answer = asked(&server, method, "h", path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.body, b"<p>no</p>", "{path}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405);
    }
}

#[tokio::test]
async fn a_redirect_holds_for_what_was_looked_for_beside_another_file() {
    let home = folders();
    write(home.path(), "default/data.csv", &"a,b\n".repeat(200));
    write(home.path(), "default/folder/index.html/name.txt", "");
    let server = serve(
        home.path(),
        r#"
        root = "default"
        [files]
        revalidate = 3600
        [[rule]]
        match = ["*.gz", "/folder/index.html"]
        redirect = "/away"
        "#,
    );
    let coded = [("accept-encoding", "gzip")];
    assert_eq!(ask(&server, "h", "/data.csv", &coded).await.status, 200);
    assert_eq!(ask(&server, "h", "/folder/", &[]).await.status, 200);
    for path in ["/data.csv.gz", "/folder/index.html"] {
        let answer = ask(&server, "h", path, &[]).await;
        assert_eq!(answer.status, 302, "{path}");
        assert_eq!(answer.header("location"), "/away");
    }
}

#[tokio::test]
async fn fields_that_describe_a_file_do_not_go_with_a_listing() {
    let home = folders();
    let server = serve(
        home.path(),
        r#"
        root = "default"
        [[rule]]
        match = "**"
        set = { Content-Disposition = "attachment", Content-Language = "de", Content-Security-Policy = "default-src 'self'", X-Name = "a" }
        "#,
    );
    let file = ask(&server, "h", "/name.txt", &[]).await;
    assert_eq!(file.header("content-disposition"), "attachment");
    assert_eq!(file.header("content-security-policy"), "default-src 'self'");
    let listing = ask(&server, "h", "/", &[]).await;
    assert_eq!(listing.status, 200);
    assert_eq!(listing.header("x-name"), "a");
    assert!(varies_by(&listing, "accept"));
    // Its own: it names the hash of the page's style.
    assert!(
        listing
            .header("content-security-policy")
            .contains("sha256-")
    );
    for name in ["content-disposition", "content-language"] {
        assert!(!listing.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn another_folder_in_the_place_of_a_root_is_found() {
    let home = folders();
    symlink("docs", home.path().join("current")).unwrap();
    let server = serve(home.path(), "root = 'current'\n");
    assert_eq!(ask(&server, "h", "/name.txt", &[]).await.body, b"docs");
    symlink("app", home.path().join("next")).unwrap();
    fs::rename(home.path().join("next"), home.path().join("current")).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while ask(&server, "h", "/name.txt", &[]).await.body != b"app" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Made anew, as by a build.
    fs::remove_dir_all(home.path().join("app")).unwrap();
    write(home.path(), "app/name.txt", "built");
    while ask(&server, "h", "/name.txt", &[]).await.body != b"built" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Where nobody asks for anything, it is the file system of the one before that is to be unmounted.
#[test]
fn a_root_that_was_replaced_is_closed_without_a_request() {
    let home = folders();
    symlink("docs", home.path().join("current")).unwrap();
    let server = serve(home.path(), "root = 'current'\n");
    let docs = home.path().join("docs").canonicalize().unwrap();
    assert!(server.has_open(&docs));
    symlink("app", home.path().join("next")).unwrap();
    fs::rename(home.path().join("next"), home.path().join("current")).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while server.has_open(&docs) {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test]
async fn hidden_files_are_not_there_but_for_well_known_ones() {
    let home = folders();
    for path in [
        ".git/config",
        ".well-known/security.txt",
        ".shown/a",
        "a/.b",
    ] {
        write(home.path(), &format!("default/{path}"), "here");
    }
    let server = serve(
        home.path(),
        "root = 'default'\n[[rule]]\nmatch = '/.shown/**'\nhidden = true\n",
    );
    for (path, status) in [
        ("/.git/config", 404),
        ("/.git/", 404),
        ("/a/.b", 404),
        ("/%2egit/config", 404),
        ("/.well-known/security.txt", 200),
        ("/.shown/a", 200),
    ] {
        assert_eq!(ask(&server, "h", path, &[]).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn links_are_followed_as_far_as_the_mount_says() {
    let home = folders();
    symlink("name.txt", home.path().join("docs/inside")).unwrap();
    symlink("../outside/name.txt", home.path().join("docs/out")).unwrap();
    symlink(home.path().join("outside"), home.path().join("docs/far")).unwrap();
    let server = serve(
        home.path(),
        r#"
        root = "docs"
        mounts = [
            { prefix = "/none", root = "docs", symlinks = "none" },
            { prefix = "/all", root = "docs", symlinks = "all" },
        ]
        "#,
    );
    for (path, status) in [
        ("/inside", 200),
        ("/out", 404),
        ("/far/name.txt", 404),
        ("/none/name.txt", 200),
        ("/none/inside", 404),
        ("/none/out", 404),
        ("/all/inside", 200),
        ("/all/out", 200),
        ("/all/far/name.txt", 200),
    ] {
        assert_eq!(ask(&server, "h", path, &[]).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn other_origins_may_read_what_a_rule_says() {
    let home = folders();
    let server = serve(
        home.path(),
        r#"
        root = "default"
        [[rule]]
        match = "*.txt"
        cors = { origins = ["https://a.test"], expose = ["ETag"], max-age = 600, credentials = true }
        [[rule]]
        match = "/open/**"
        cors = { origins = "*" }
        "#,
    );
    let from = |origin| [("origin", origin)];
    let listed = ask(&server, "h", "/name.txt", &from("https://a.test")).await;
    assert_eq!(
        listed.header("access-control-allow-origin"),
        "https://a.test"
    );
    assert_eq!(listed.header("access-control-allow-credentials"), "true");
    assert_eq!(listed.header("access-control-expose-headers"), "ETag");
    assert!(varies_by(&listed, "origin"));
    let other = ask(&server, "h", "/name.txt", &from("https://b.test")).await;
    assert_eq!(other.status, 200);
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    assert!(varies_by(&other, "origin"));
    // An error may be read too, or a page could not tell what went wrong.
    let missing = ask(&server, "h", "/open/missing", &from("https://b.test")).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("access-control-allow-origin"), "*");
    // Also to who asks without an origin, whose answer a cache may give to one with.
    let plain = ask(&server, "h", "/open/missing", &[]).await;
    assert_eq!(plain.header("access-control-allow-origin"), "*");
    assert!(!plain.headers.contains_key("vary"));

    let preflight = [
        ("origin", "https://a.test"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range"),
    ];
    let leave = asked(&server, Method::OPTIONS, "h", "/name.txt", &preflight).await;
    assert_eq!(leave.status, 204);
    assert_eq!(
        leave.header("access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(leave.header("access-control-allow-headers"), "range");
    assert_eq!(leave.header("access-control-max-age"), "600");
}
