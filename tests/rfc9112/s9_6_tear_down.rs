//! Section 9.6: tear-down.

use crate::client::*;

/// "A server that receives a "close" connection option MUST initiate closure of the connection (see below) after it sends
/// the final response to the request that contained the "close" connection option. [...] The server MUST NOT process any
/// further requests received on that connection."
#[test]
fn nothing_is_read_after_close() {
    let mut client = Client::manual();
    client.send(get_with(&["Connection: close"]) + GET + "garbage\n");
    client.send(GET);
    assert_eq!(
        (&client.requests[..], client.core.error()),
        (&[GOT_X.to_owned()][..], None)
    );
    assert!(!client.core.is_done(), "the answer is due");
    client.core.respond(1, ok(Body::Bytes("abc".into())));
    let text = client.text();
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
    );
    assert!(client.core.is_done());
}

/// The refusals of the core carry what its owner wants in them.
#[test]
fn refusals_have_the_fields_of_this_server() {
    let config = Config::default();
    let fields = config.refusal_fields.clone();
    let mut client = Client::new(config, Answering::AtOnce);
    fields.replace("date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: x\r\n".into());
    client.send("\0");
    let answers = client.answers();
    answers[0].refuses(400, E::NotHttp);
    assert_eq!(
        answers[0].field("date"),
        Some("Sun, 06 Nov 1994 08:49:37 GMT")
    );
    assert_eq!(answers[0].field("server"), Some("x"));
}

/// "the content" of an answer to HEAD is none, also of a refusal.
#[test]
fn refusals_of_head_have_no_content() {
    for input in [
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\n",
    ] {
        let text = String::from_utf8(serve(input).wire).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(text.ends_with("connection: close\r\n\r\n"), "{text}");
    }
}

/// A graceful end: what was asked is answered, and the last answer says that it is the last.
#[test]
fn shutdown_finishes_what_was_asked() {
    let mut client = Client::manual();
    client.send(GET.repeat(3));
    client.core.respond(1, ok(Body::Empty));
    client.core.shutdown();
    client.send(GET);
    assert_eq!(client.requests.len(), 3);
    client.core.respond(3, ok(Body::Empty));
    client.core.respond(2, ok(Body::Empty));
    let answers = client.answers();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0].field("connection"), None);
    assert_eq!(answers[2].field("connection"), Some("close"));
    assert!(client.core.is_done() && !client.core.is_dead() && client.core.error().is_none());
}

/// An idle connection ends at once, and one whose content nobody wants.
#[test]
fn shutdown_ends_what_is_idle() {
    for input in ["", GET, &post_with(&["Content-Length: 100"], "abc")] {
        let mut client = Client::echo();
        client.send(input);
        client.receive();
        assert!(!client.core.is_done());
        client.core.shutdown();
        assert!(client.core.is_done());
        client.core.shutdown();
        client.send(GET);
        assert_eq!(client.text(), "");
    }
}

/// The last answer has begun: it is finished without a word.
#[test]
fn shutdown_in_the_middle_of_an_answer() {
    let mut client = Client::manual();
    client.send(GET);
    client.core.respond(1, ok(file(1, 100_000)));
    client.slots.layout = Layout::Placed;
    client.slots.bytes = 30_000;
    client.fill();
    client.core.shutdown();
    assert!(!client.core.is_done());
    let answers = client.answers();
    assert_eq!(
        (answers[0].body.len(), answers[0].field("connection")),
        (100_000, None)
    );
    assert!(client.core.is_done());
}

/// A request that has begun to arrive is served, unless it takes too long.
#[test]
fn shutdown_waits_for_a_request_on_its_way() {
    let mut client = Client::echo();
    let (first, second) = GET.split_at(20);
    client.send(first);
    client.core.shutdown();
    assert!(!client.core.is_done());
    client.send([second, GET].concat());
    assert_eq!(client.requests, [GOT]);
    assert_eq!(client.answers()[0].field("connection"), Some("close"));
    assert!(client.core.is_done());

    let mut client = Client::echo();
    client.send(first);
    client.core.shutdown();
    client.core.shutdown();
    assert!(client.core.is_done());
    assert_eq!(client.text(), "");

    let mut client = Client::echo();
    client.send(first);
    client.core.shutdown();
    client.wait(20);
    client.answers()[0].refuses(408, E::HeadTimeout);
    assert!(client.core.is_done());
}
