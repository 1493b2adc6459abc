//! Certificates: what is refused, what is told, what lasts, and what a reload does.

use std::fs;
use std::io::{BufRead, BufReader};

use nix::sys::signal::Signal;

use crate::{ANY_PORT, Server, accepted, check, home, refused, ringlane, write_certificate};

#[test]
fn certificates_are_checked() {
    let home = home();
    write_certificate(home.path(), "a");
    write_certificate(home.path(), "b");
    accepted(&home, &["--cert", "a.crt", "--key", "a.key"]);
    let [a, b] = ["a.crt", "b.crt"].map(|name| fs::read_to_string(home.path().join(name)).unwrap());
    fs::write(home.path().join("both.crt"), a + &b).unwrap();
    accepted(&home, &["--cert", "both.crt", "--key", "a.key"]);
    for (arguments, expected) in [
        (&["--cert", "a.crt"][..], "add --key"),
        (&["--key", "a.key"], "add --cert"),
        (&["--cert", "a.crt", "--key", "b.key"], "does not belong"),
        (
            &["--cert", "both.crt", "--key", "b.key"],
            "not the first: put it first",
        ),
        (
            &["--cert", "a.key", "--key", "a.key"],
            "holds no certificate",
        ),
        (
            &["--cert", "a.crt", "--key", "a.crt"],
            "holds no private key",
        ),
        (
            &["--cert", "no.crt", "--key", "a.key"],
            "cannot read no.crt",
        ),
    ] {
        let said = refused(&home, arguments);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_certificate_out_of_date_is_told_and_accepted() {
    let home = home();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    let made = params.self_signed(&key).unwrap();
    fs::write(home.path().join("a.crt"), made.pem()).unwrap();
    fs::write(home.path().join("a.key"), key.serialize_pem()).unwrap();
    let output = check(&home, &["--cert", "a.crt", "--key", "a.key"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, b"configuration ok\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("ringlane: the certificate a.crt is not valid before Sat, 01 Jan 4000"),
        "{said}"
    );
}

#[test]
fn the_self_signed_certificate_outlives_a_restart() {
    let home = home();
    let fingerprint = || {
        let mut server = Server::start(ringlane(home.path()).args(ANY_PORT));
        server.signal(Signal::SIGINT);
        assert_eq!(server.wait().code(), Some(0));
        let (_, rest) = server.banner.split_once("SHA-256 ").unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    let first = fingerprint();
    assert_eq!(first.len(), 95);
    assert_eq!(first, fingerprint());
}

#[test]
fn sighup_reads_the_certificate_again_and_keeps_the_old_one_when_it_is_broken() {
    let home = home();
    write_certificate(home.path(), "a");
    let mut server = Server::start(
        ringlane(home.path())
            .args(ANY_PORT)
            .args(["--cert", "a.crt", "--key", "a.key"]),
    );
    let mut stderr = BufReader::new(server.child.stderr.take().unwrap());
    let mut after_hangup = |server: &Server| {
        server.signal(Signal::SIGHUP);
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        line
    };
    write_certificate(home.path(), "a");
    let line = after_hangup(&server);
    assert!(
        line.contains("new connections get the certificate a.crt with SHA-256 "),
        "{line}"
    );
    fs::write(home.path().join("a.crt"), "").unwrap();
    let line = after_hangup(&server);
    assert!(line.contains("the certificate in use stays"), "{line}");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait().code(), Some(0));
}
