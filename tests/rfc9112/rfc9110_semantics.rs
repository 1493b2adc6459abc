//! RFC 9110 where it concerns how messages are framed and connections end.

use crate::client::*;

/// Section 10.1.1: "A server MAY omit sending a 100 (Continue) response if [...] the framing indicates that there is no
/// content", and of a final status instead: it "SHOULD indicate whether it intends to close the connection". Nobody wants
/// the content, so the answer comes at once, and says that it is the last.
#[test]
fn an_expectation_of_100_gets_the_answer() {
    for expect in ["100-continue", "100-Continue"] {
        let expect = format!("Expect: {expect}");
        for framing in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
            let mut client = Client::echo();
            client.send(post_with(&[&expect, framing], ""));
            let answers = client.answers();
            assert_eq!((answers.len(), answers[0].status), (1, 200));
            assert_eq!(answers[0].field("connection"), Some("close"));
            assert!(client.core.is_done());
        }
        // There is nothing to wait with.
        understood(get_with(&[&expect]), GOT_X);
        understood(
            post_with(&[&expect, "Content-Length: 0"], ""),
            "POST http a.example /x",
        );
    }
}

/// Section 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
/// expectation."
#[test]
fn an_expectation_in_http10_is_ignored() {
    let fields = [
        "Expect: 100-continue",
        "Content-Length: 3",
        "Connection: keep-alive",
    ];
    let input = post_with(&fields, "abc").replace("HTTP/1.1", "HTTP/1.0");
    understood(input, POSTED);
}

/// Section 10.1.1: "A server that receives an Expect field value containing a member other than 100-continue MAY respond
/// with a 417 (Expectation Failed) status code to indicate that the unexpected expectation cannot be met."
#[test]
fn other_expectations_fail() {
    for value in [
        "x",
        "",
        "100-continue, x",
        "200-ok",
        "100-continue;q=1",
        "100",
    ] {
        refused(
            get_with(&[&format!("Expect: {value}")]),
            417,
            E::Expectation,
        );
    }
    refused(
        get_with(&["Expect: 100-continue", "Expect: x"]),
        417,
        E::Expectation,
    );
}

/// Section 9.3.2: "The HEAD method is identical to GET except that the server MUST NOT send content in the response."
#[test]
fn head_is_answered_without_content() {
    let mut client = Client::manual();
    client.send(GET.replace("GET", "HEAD") + GET);
    client.core.respond(1, ok(file(1, 1_000_000)));
    client.core.respond(2, ok(Body::Bytes("abc".into())));
    let wire = client.receive();
    let mut rest = &wire[..];
    let head = crate::answers::answer(&mut rest, true);
    assert_eq!(head.field("content-length"), Some("1000000"));
    assert_eq!(answers(rest)[0].text(), "abc");
}

/// Section 7.6.1: connection options are those of one connection; the answers have no others than these.
#[test]
fn only_known_connection_options_are_sent() {
    for (fields, version, option) in [
        (&["Connection: x, keep-alive"][..], "HTTP/1.1", None),
        (
            &["Connection: x, keep-alive"],
            "HTTP/1.0",
            Some("keep-alive"),
        ),
        (&["Connection: x, close"], "HTTP/1.1", Some("close")),
        (&[], "HTTP/1.0", Some("close")),
    ] {
        let outcome = serve(get_with(fields).replace("HTTP/1.1", version));
        assert_eq!(answers(&outcome.wire)[0].field("connection"), option);
    }
}
