//! Certificates by server name (RFC 6066, section 3), through real handshakes with the program.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::Server;
use crate::trust::tls_config;

/// Writes `NAME.crt` and `NAME.key` for these hosts.
fn write_certificate(folder: &Path, name: &str, hosts: &[&str]) {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    let at = folder.join(name);
    fs::write(at.with_extension("crt"), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_pem();
    fs::write(at.with_extension("key"), key).unwrap();
}

/// Whether a handshake that asks for `name` is shown the certificate in this file.
async fn is_shown(address: SocketAddr, name: &str, certificate: &Path) -> bool {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(tls_config(certificate, rustls::DEFAULT_VERSIONS));
    match connector.connect(name, socket).await {
        Ok(tls) => {
            let shown = &tls.get_ref().1.peer_certificates().unwrap()[0];
            assert_eq!(*shown, CertificateDer::from_pem_file(certificate).unwrap());
            true
        }
        Err(error) => {
            assert!(error.to_string().contains("not the certificate"), "{error}");
            false
        }
    }
}

/// Some clients look at no dates, and a clock may be wrong.
#[tokio::test]
async fn a_certificate_out_of_date_is_served_with_a_warning() {
    let home = TempDir::new().unwrap();
    let at = |name: &str| home.path().join(name);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let made = params.self_signed(&key).unwrap();
    fs::write(at("a.crt"), made.pem()).unwrap();
    fs::write(at("a.key"), key.serialize_pem()).unwrap();
    let [cert, key] = [at("a.crt"), at("a.key")].map(|path| path.display().to_string());
    let options = ["--shards", "1", "--cert", &cert, "--key", &key];
    let mut server = Server::start(home.path(), &options);
    let warning = format!("{cert} expired on Fri, 01 Jan 2021");
    server.hang_up();
    server.wait_for("new connections get the certificate");
    server.wait_for(&warning);
    write_certificate(home.path(), "a", &["a.test"]);
    server.hang_up();
    server.wait_for("new connections get the certificate");
    let ended = server.drained().await;
    ended.assert_clean();
    // At the start, and when it was read again.
    assert_eq!(ended.text.matches(&warning).count(), 2, "{}", ended.text);
}

#[tokio::test]
async fn each_site_shows_its_certificate_and_sighup_reads_all_again() {
    let home = TempDir::new().unwrap();
    let at = |name: &str| home.path().join(name);
    fs::create_dir(at("site")).unwrap();
    write_certificate(home.path(), "a", &["a.test"]);
    write_certificate(home.path(), "b", &["*.b.test", "b.test"]);
    fs::write(
        at("ringlane.toml"),
        r#"
        [[site]]
        hosts = "a.test"
        root = "site"
        cert = "a.crt"
        key = "a.key"
        [[site]]
        hosts = ["b.test", "*.b.test"]
        root = "site"
        cert = "b.crt"
        key = "b.key"
        "#,
    )
    .unwrap();
    let mut server = Server::configured(&at("ringlane.toml"));
    let default = server.certificate();
    for (name, certificate) in [
        ("a.test", at("a.crt")),
        ("A.TEST", at("a.crt")),
        ("b.test", at("b.crt")),
        ("www.b.test", at("b.crt")),
        ("x.www.b.test", default.clone()),
        ("localhost", default.clone()),
        ("127.0.0.1", default.clone()),
    ] {
        assert!(is_shown(server.https, name, &certificate).await, "{name}");
    }

    // While one of them is broken all the old ones stay.
    fs::copy(at("a.crt"), at("old.crt")).unwrap();
    write_certificate(home.path(), "a", &["a.test"]);
    fs::write(at("b.key"), "").unwrap();
    server.hang_up();
    server.wait_for("the certificates in use all stay");
    assert!(is_shown(server.https, "a.test", &at("old.crt")).await);
    write_certificate(home.path(), "b", &["*.b.test", "b.test"]);
    server.hang_up();
    for certificate in [&default, &at("a.crt"), &at("b.crt")] {
        let name = certificate.display();
        server.wait_for(&format!(
            "new connections get the certificate {name} with SHA-256 "
        ));
    }
    assert!(is_shown(server.https, "b.test", &at("b.crt")).await);
    assert!(is_shown(server.https, "a.test", &at("a.crt")).await);
    assert!(is_shown(server.https, "localhost", &default).await);
    server.drained().await.assert_clean();
}
