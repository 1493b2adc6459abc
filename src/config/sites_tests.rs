//! Sites and rules as they are written: what is read, and what is refused with its line and key.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::{Config, File};
use crate::files::PageCache;
use crate::site::{Symlinks, Treatment};

/// Folders `a`, `b` and `c`, and a file `f`.
fn folders() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::create_dir(home.path().join(name)).unwrap();
    }
    fs::write(home.path().join("f"), "").unwrap();
    home
}

/// The configuration of a file with this text beside the folders.
fn config(home: &Path, text: &str) -> Result<Config, String> {
    let path = home.join("r.toml");
    fs::write(&path, text).unwrap();
    File::read(&path)
        .and_then(Config::new)
        .map_err(|error| error.to_string())
}

/// Expects that nothing is wrong but what lies outside this file's text.
fn good(text: &str) -> Config {
    config(folders().path(), text).unwrap()
}

/// What is said of a file, from its line number on.
fn refused(text: &str) -> String {
    let home = folders();
    let error = config(home.path(), text).expect_err(text);
    let prefix = format!("{}:", home.path().join("r.toml").display());
    error.strip_prefix(&prefix).unwrap_or(&error).to_owned()
}

fn treatment(config: &Config, authority: &str, path: &str) -> Treatment {
    let sites = config.sites();
    let route = sites.route(authority.as_bytes(), path.as_bytes()).unwrap();
    sites.treatment(&route, path.as_bytes())
}

#[test]
fn without_a_file_the_current_folder_is_served_for_every_host() {
    let mut config = Config::new(File::default()).unwrap();
    assert_eq!(config.take_roots().len(), 1);
    assert_eq!(
        config.sites().mounts()[0].path,
        Path::new(".").canonicalize().unwrap()
    );
    assert!(config.sites().route(b"any", b"f").is_some());
    assert_eq!(config.files().revalidate, Duration::from_secs(1));
    assert_eq!(config.files().page_cache, PageCache::Keep);
}

#[test]
fn a_file_names_what_is_served() {
    for text in [
        "",
        "shards = 1\n",
        "mounts = [{ prefix = '/x', root = 'a' }]\n",
    ] {
        let error = refused(text);
        assert!(error.contains("write `root = \"/srv/files\"`"), "{error}");
    }
}

#[test]
fn sites_mounts_and_symlinks() {
    let home = folders();
    let text = r#"
        root = "a"
        mounts = [{ prefix = "/docs", root = "b" }]
        [files]
        symlinks = "none"
        [[site]]
        hosts = ["c.org", "*.c.org"]
        root = "c"
        symlinks = "all"
        mounts = [
            { prefix = "/docs/", root = "b" },
            { prefix = "/same", root = "./a", symlinks = "none" },
        ]
        [[site]]
        hosts = "[::1]"
        root = "b"
    "#;
    let mut config = config(home.path(), text).unwrap();
    let roots = config.take_roots();
    let sites = config.sites();
    assert_eq!(roots.len(), sites.mounts().len());
    for (authority, path, folder, symlinks) in [
        ("", "x", "a", Symlinks::None),
        ("", "docs/x", "b", Symlinks::None),
        ("C.org:1", "x", "c", Symlinks::All),
        ("w.c.org", "docs/x", "b", Symlinks::All),
        ("c.org", "same/x", "a", Symlinks::None),
        ("[0::1]:80", "docs/x", "b", Symlinks::None),
    ] {
        let route = sites.route(authority.as_bytes(), path.as_bytes()).unwrap();
        let mount = &sites.mounts()[route.mount.index()];
        let expected = home.path().join(folder);
        assert_eq!(
            (&mount.path, mount.symlinks),
            (&expected, symlinks),
            "{authority} {path}"
        );
    }
    // Of `a` and `b` without links there is one each, though named twice.
    assert_eq!(sites.mounts().len(), 4);
}

#[test]
fn with_sites_other_hosts_have_a_folder_only_where_one_is_named() {
    let config = good("[[site]]\nhosts = 'a.org'\nroot = 'a'\n");
    assert!(config.sites().route(b"a.org", b"f").is_some());
    assert!(config.sites().route(b"b.org", b"f").is_none());
}

#[test]
fn where_not_every_host_is_answered_there_is_one_to_try() {
    for (hosts, example) in [
        ("['*.a.org', '[::1]', '192.0.2.1', 'b.org']", Some("b.org")),
        ("['[::1]', '*.a.org']", Some("www.a.org")),
        ("['[0::1]', '192.0.2.1']", Some("[::1]")),
    ] {
        let site = format!("[[site]]\nhosts = {hosts}\nroot = 'a'\n");
        assert_eq!(good(&site).example_host(), example);
        let with_root = format!("root = 'b'\n{site}");
        assert_eq!(good(&with_root).example_host(), None);
    }
}

#[test]
fn settings_for_every_file() {
    for (text, revalidate) in [("0", 0.0), ("2", 2.0), ("0.25", 0.25)] {
        let config = good(&format!("root = 'a'\n[files]\nrevalidate = {text}\n"));
        assert_eq!(config.files().revalidate.as_secs_f64(), revalidate);
    }
    for key in ["page-cache", "page_cache"] {
        let config = good(&format!("root = 'a'\n[files]\n{key} = \"drop\"\n"));
        assert_eq!(config.files().page_cache, PageCache::Drop);
    }
    let config = good(
        "root = 'a'\n[files]\nlisting = false\nhidden = true\ncompress = false\nprecompressed = false\npage-cache = 'direct'\n",
    );
    assert_eq!(config.files().page_cache, PageCache::Direct);
    let treatment = treatment(&config, "", ".x");
    assert!(!treatment.listing && !treatment.compress && !treatment.precompressed);
    assert!(treatment.hidden && !treatment.refused);
}

#[test]
fn rules_of_all_sites_then_of_one() {
    let config = good(
        r#"
        root = "a"
        [[rule]]
        match = "**"
        set = { X-Frame-Options = "DENY" }
        cors = { origins = "*", expose = ["ETag"], max-age = 600 }
        error-pages = { 404 = "/404.html", "5xx" = "/oops.html" }
        [[rule]]
        match = ["*.css", "/img/**"]
        cache-control = "max-age=3600"
        [[rule]]
        match = "/old/**"
        redirect = { to = "https://example.org/{rest}", status = 308 }
        [[rule]]
        match = "/older/**"
        redirect = "/new/{rest}"
        [[site]]
        hosts = "app.org"
        root = "b"
        [[site.rule]]
        match = "**"
        fallback = "/index.html"
        index = []
        cors = "none"
        [[site.rule]]
        match = "/api/**"
        fallback = "none"
        redirect = "none"
        "#,
    );
    let here = treatment(&config, "", "img/x");
    assert_eq!(here.fields.get("x-frame-options"), Some(&b"DENY"[..]));
    assert_eq!(here.fields.get("cache-control"), Some(&b"max-age=3600"[..]));
    assert_eq!(here.error_pages.get(404).unwrap().as_bytes(), b"404.html");
    assert_eq!(here.error_pages.get(502).unwrap().as_bytes(), b"oops.html");
    assert!(here.cors.is_some() && here.fallback.is_none());
    assert_eq!(here.index.len(), 1);
    let redirected = |path| {
        let redirect = treatment(&config, "", path).redirect.unwrap();
        let mut location = Vec::new();
        redirect.location(None, &mut location);
        (redirect.status(), String::from_utf8(location).unwrap())
    };
    assert_eq!(
        redirected("old/x"),
        (308, "https://example.org/x".to_owned())
    );
    assert_eq!(redirected("older/x"), (302, "/new/x".to_owned()));

    let app = treatment(&config, "app.org", "x");
    assert_eq!(app.fields.get("x-frame-options"), Some(&b"DENY"[..]));
    assert_eq!(app.fallback.unwrap().as_bytes(), b"index.html");
    assert!(app.cors.is_none() && app.index.is_empty());
    let api = treatment(&config, "app.org", "api/x");
    assert!(api.fallback.is_none());
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_key() {
    for (text, start, word) in [
        // Hosts and sites.
        (
            "[[site]]\nroot = 'a'\n",
            "1: site: ",
            "missing field `hosts`",
        ),
        (
            "[[site]]\nhosts = 'a.org'\n",
            "1: site: ",
            "missing field `root`",
        ),
        ("[[site]]\nhosts = []\nroot = 'a'\n", "2: hosts: ", "empty"),
        (
            "[[site]]\nhosts = ['a.org', 'b:80']\nroot = 'a'\n",
            "2: hosts: ",
            "`b:80`: a host with a port",
        ),
        (
            "[[site]]\nhosts = 'b\u{fc}cher.de'\nroot = 'a'\n",
            "2: hosts: ",
            "punycode",
        ),
        (
            "[[site]]\nhosts = '*'\nroot = 'a'\n",
            "2: hosts: ",
            "top of the file",
        ),
        (
            "[[site]]\nhosts = 7\nroot = 'a'\n",
            "2: hosts: ",
            "an array of strings",
        ),
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'a'\n[[site]]\nhosts = ['b.org', 'A.ORG']\nroot = 'b'\n",
            "5: hosts: ",
            "`a.org`: the host is given twice",
        ),
        (
            "[[site]]\nhost = 'a.org'\nroot = 'a'\n",
            "2: host: ",
            "unknown field",
        ),
        // Folders.
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'z'\n",
            "3: root: ",
            "No such file",
        ),
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'f'\n",
            "3: root: ",
            "Not a directory",
        ),
        (
            "root = 'a'\nmounts = [{ prefix = '/x', root = 'z' }]\n",
            "2: mounts: ",
            "No such file",
        ),
        (
            "root = 'a'\nmounts = [\n{ prefix = '/x', root = 'a' },\n{ prefix = '/x/', root = 'b' },\n]\n",
            "4: mounts: ",
            "`/x`: the prefix is given twice",
        ),
        (
            "[[mounts]]\nprefix = 'x'\nroot = 'a'\n",
            "2: prefix: ",
            "begin with a slash",
        ),
        (
            "[[mounts]]\nprefix = '/'\nroot = 'a'\n",
            "2: prefix: ",
            "the whole site",
        ),
        (
            "[[mounts]]\nprefix = '/a/../b'\nroot = 'a'\n",
            "2: prefix: ",
            "segment",
        ),
        (
            "[[mounts]]\nprefix = '/x'\nroot = 'a'\n[[site]]\nhosts = 'a.org'\nroot = 'b'\n",
            "2: prefix: ",
            "no `root` there",
        ),
        // Certificates.
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'a'\ncert = 'c'\n",
            "4: cert: ",
            "add `key`",
        ),
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'a'\nkey = 'c'\n",
            "4: key: ",
            "add `cert`",
        ),
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'a'\ncert = 'f'\nkey = 'f'\n",
            "4: cert: ",
            "holds no certificate",
        ),
        (
            "[[site]]\nhosts = ['192.0.2.1', '[::1]']\nroot = 'a'\ncert = 'c'\nkey = 'c'\n",
            "4: cert: ",
            "put it at the top of the file",
        ),
        (
            "[[site]]\nhosts = ['192.0.2.1', 'a.org']\nroot = 'a'\ncert = 'c'\nkey = 'c'\n",
            "4: cert: ",
            "cannot read",
        ),
        // Files.
        ("[files]\nrevalidate = -1\n", "2: revalidate: ", "0 or more"),
        (
            "[files]\nrevalidate = nan\n",
            "2: revalidate: ",
            "0 or more",
        ),
        (
            "[files]\nrevalidate = '1s'\n",
            "2: revalidate: ",
            "number of seconds",
        ),
        (
            "[files]\npage-cache = 'no'\n",
            "2: page-cache: ",
            "`keep`, `drop`, `direct`",
        ),
        (
            "[files]\nsymlinks = 'yes'\n",
            "2: symlinks: ",
            "`yes`: it must be \"beneath\"",
        ),
        (
            "[files]\nlistings = true\n",
            "2: listings: ",
            "unknown field",
        ),
        // Rules.
        (
            "root = '.'\n[[rule]]\nlisting = true\n",
            "2: rule: ",
            "missing field `match`",
        ),
        ("[[rule]]\nmatch = '**'\n", "1: rule: ", "says nothing"),
        (
            "[[rule]]\nmatch = []\nlisting = true\n",
            "1: rule: ",
            "matches nothing",
        ),
        (
            "[[rule]]\nmatch = 'a['\nlisting = true\n",
            "2: match: ",
            "`a[`: unclosed",
        ),
        (
            "[[rule]]\nmatch = ['a', '']\nlisting = true\n",
            "2: match: ",
            "empty glob",
        ),
        ("[[rules]]\nmatch = 'a'\n", "1: rules: ", "unknown field"),
        (
            "[[site]]\nhosts = 'a.org'\nroot = 'a'\n[[site.rule]]\nmatch = 'a{'\nlisting = true\n",
            "5: match: ",
            "unclosed",
        ),
        (
            "[[rule]]\nmatch = '*'\ncache-control = \"a\\nb\"\n",
            "3: cache-control: ",
            "visible ASCII",
        ),
        (
            "[[rule]]\nmatch = '*'\nset = { Connection = 'close' }\n",
            "3: set: ",
            "`Connection`: a field about the connection",
        ),
        (
            "[[rule]]\nmatch = '*'\n[rule.set]\n'content-length' = '1'\n",
            "4: content-length: ",
            "makes by itself",
        ),
        (
            "[[rule]]\nmatch = '*'\n[rule.set]\n\":status\" = '1'\n",
            "4: ",
            "`:status`: no field name",
        ),
        (
            "[[rule]]\nmatch = '*'\nset = { x-a = 1 }\n",
            "3: set: ",
            "string",
        ),
        (
            "[[rule]]\nmatch = '*'\nset = { X-A = '1', x-a = '2' }\n",
            "3: set: ",
            "given twice",
        ),
        (
            "[[rule]]\nmatch = '*'\ncache-control = 'a'\nset = { Cache-Control = 'b' }\n",
            "1: rule: ",
            "given twice",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = {}\n",
            "3: cors: ",
            "missing field `origins`",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = '*'\n",
            "3: cors: ",
            "a table with `origins`",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = { origins = [] }\n",
            "3: cors: ",
            "allow nobody",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = { origins = 'a.org' }\n",
            "3: cors: ",
            "`a.org`: no origin",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = { origins = ['*', 'https://a.org'] }\n",
            "3: cors: ",
            "beside other origins",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = { origins = '*', credentials = true }\n",
            "3: cors: ",
            "list the origins",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = { origins = '*', methods = 'PUT' }\n",
            "3: cors: ",
            "unknown field",
        ),
        (
            "[[rule]]\nmatch = '*'\ncors = { origins = '*', max-age = -1 }\n",
            "3: cors: ",
            "-1",
        ),
        (
            "[[rule]]\nmatch = '*'\nredirect = { to = '/a', status = 200 }\n",
            "3: redirect: ",
            "200 is no redirect",
        ),
        (
            "[[rule]]\nmatch = '*'\nredirect = { status = 301 }\n",
            "3: redirect: ",
            "missing field `to`",
        ),
        (
            "[[rule]]\nmatch = '*'\nredirect = 'a'\n",
            "3: redirect: ",
            "`a`: a redirect leads",
        ),
        (
            "[[rule]]\nmatch = '*'\n[rule.redirect]\nto = '/{x}'\n",
            "4: to: ",
            "placeholders",
        ),
        (
            "[[rule]]\nmatch = '*'\nerror-pages = { 200 = '/a' }\n",
            "3: error-pages: ",
            "`200`: no error status",
        ),
        (
            "[[rule]]\nmatch = '*'\nerror-pages = { 4xx = '/a', 416 = '/b' }\n",
            "3: error-pages: ",
            "`416`: keeps its line of text",
        ),
        (
            "[[rule]]\nmatch = '*'\n[rule.error-pages]\n404 = 'a'\n",
            "4: 404: ",
            "begin with a slash",
        ),
        (
            "[[rule]]\nmatch = '*'\nfallback = 'index.html'\n",
            "3: fallback: ",
            "begin with a slash",
        ),
        (
            "[[rule]]\nmatch = '*'\nfallback = '/app/'\n",
            "3: fallback: ",
            "must name a file",
        ),
        (
            "[[rule]]\nmatch = '*'\nindex = 'a/b'\n",
            "3: index: ",
            "no file name",
        ),
        (
            "[[rule]]\nmatch = '*'\nsymlinks = 'all'\n",
            "3: symlinks: ",
            "unknown field",
        ),
    ] {
        let error = refused(text);
        assert!(
            error.starts_with(start) && error.contains(word),
            "{text}\n-> {error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_listing_is_switched_off_by_a_flag_too() {
    let home = folders();
    let path = home.path().join("r.toml");
    fs::write(
        &path,
        "root = 'a'\n[files]\nlisting = true\nhidden = true\n",
    )
    .unwrap();
    let flags = File {
        files: super::FilesTable {
            listing: Some(false),
            ..Default::default()
        },
        ..File::default()
    };
    let config = Config::new(flags.or(File::read(&path).unwrap())).unwrap();
    let treatment = treatment(&config, "", "");
    assert!(!treatment.listing && treatment.hidden);
}
