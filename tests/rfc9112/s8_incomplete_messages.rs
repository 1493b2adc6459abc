//! Section 8: handling incomplete messages.

use crate::client::*;

/// "A server that receives an incomplete request message, usually due to a canceled request or a triggered timeout
/// exception, MAY send an error response prior to closing the connection." RFC 9110, section 15.5.9: "the server did not
/// receive a complete request message within the time that it was prepared to wait".
#[test]
fn a_head_that_does_not_come_is_timed_out() {
    let head = get_with(&["X: y"]);
    for len in 1..head.len() {
        let mut client = Client::echo();
        client.send(&head[..len]);
        client.wait(19);
        assert_eq!(client.core.error(), None);
        client.wait(1);
        let answers = client.answers();
        assert_eq!(answers.len(), 1);
        answers[0].refuses(408, E::HeadTimeout);
        assert!(client.core.is_done() && !client.core.is_dead());
        client.send(&head[len..]);
        assert_eq!(client.requests, [""; 0], "too late");
    }
}

/// The time runs from the first byte, not from the last.
#[test]
fn slow_heads_are_timed_out() {
    let mut client = Client::echo();
    client.send("G");
    let mut bytes = get_with(&["X: y"]).into_bytes().into_iter().skip(1);
    for _ in 0..20 {
        client.wait(1);
        client.send([bytes.next().unwrap()]);
    }
    client.answers()[0].refuses(408, E::HeadTimeout);
}

/// So does that of content. When its answer is out already, there is no second one.
#[test]
fn slow_content_is_timed_out() {
    for answered in [false, true] {
        for post in [
            post_with(&["Content-Length: 100"], "abc"),
            post_with(&["Transfer-Encoding: chunked"], "5\r\na"),
        ] {
            let mut client = Client::manual();
            client.send(post);
            if answered {
                client.core.respond(1, ok(Body::Empty));
                assert_eq!(client.status(), 200);
            }
            client.wait(19);
            client.send("x");
            assert_eq!(client.core.error(), None);
            client.wait(1);
            assert_eq!(client.core.error(), Some(E::ContentTimeout));
            let answers = client.answers();
            assert_eq!(answers.len(), usize::from(!answered));
            if !answered {
                answers[0].refuses(408, E::ContentTimeout);
            }
            // The application's own answer, if there still comes one, is too late.
            client.core.respond(1, ok(Body::Empty));
            assert_eq!(client.text(), "");
            assert!(client.core.is_done());
        }
    }
}

/// Refusals wait for the answers before them, and these for nothing.
#[test]
fn a_timeout_does_not_overtake_answers() {
    let mut client = Client::manual();
    client.send(GET.to_owned() + "GET /");
    client.wait(20);
    assert_eq!(
        (client.core.error(), client.core.open_streams()),
        (Some(E::HeadTimeout), 1)
    );
    assert!(!client.core.wants_transmit() && !client.core.is_done());
    client.core.respond(1, ok(Body::Bytes("abc".into())));
    let answers = client.answers();
    assert_eq!((answers[0].status, answers[0].text()), (200, "abc"));
    answers[1].refuses(408, E::HeadTimeout);
}

/// Half an empty line is no request, and nothing is said of it.
#[test]
fn half_an_empty_line_is_not_answered() {
    let mut client = Client::echo();
    client.send(GET.to_owned() + "\r");
    assert_eq!(client.status(), 200);
    client.wait(20);
    assert_eq!((client.core.error(), client.core.is_done()), (None, true));
    assert_eq!(client.text(), "");
}
