//! Accepting, receiving, sending, cancelling.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use bytes::Bytes;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

fn accepted(event: Event) -> (OwnedFd, bool) {
    match event {
        Event::Accepted {
            socket: Ok(socket),
            more,
        } => (socket, more),
        other => panic!("not accepted: {other:?}"),
    }
}

fn received(event: Event) -> (RecvBuffer, bool) {
    match event {
        Event::Received {
            data: Ok(data),
            more,
        } => (data, more),
        other => panic!("not received: {other:?}"),
    }
}

fn sent(event: Event) -> (Box<Gather>, Result<usize, Errno>) {
    match event {
        Event::Sent { gather, result } => (gather, result),
        other => panic!("not sent: {other:?}"),
    }
}

#[test]
fn a_connection_is_accepted_heard_answered_and_closed() {
    let mut ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ring.accept(listener.as_fd(), OWNER);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, more) = accepted(event(&mut ring));
    assert!(more);

    ring.recv(socket.as_fd(), OWNER);
    client.write_all(b"question").unwrap();
    let (data, more) = received(event(&mut ring));
    assert_eq!((&data[..], more), (&b"question"[..], true));
    assert_eq!(ring.recv_buffers_held(), 1);
    drop(data);
    assert_eq!(ring.recv_buffers_held(), 0);

    let mut answer = Gather::new();
    answer.push_bytes(Bytes::from_static(b"answer"));
    ring.send(socket.as_fd(), answer, OWNER);
    assert_eq!(sent(event(&mut ring)).1, Ok(6));
    let mut got = [0; 6];
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"answer");

    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (data, more) = received(event(&mut ring));
    assert!(data.is_empty() && !more);
    ring.close(socket);
    ring.submit();
    assert_eq!(client.read(&mut got).unwrap(), 0);
    assert!(ring.next().is_none());
    assert_eq!(ring.in_flight(), 1);

    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(accepted(event(&mut ring)).1);
}

#[test]
fn a_gather_arrives_in_order() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let content = pattern(20_000);
    let file = file(&content);
    let mapping = Rc::new(Mapping::new(file.as_fd(), 20_000).unwrap());
    let mut gather = gather(&ring, 100);
    gather.buffer_mut().unwrap()[64..84].copy_from_slice(b"headerAheaderBTRAILR");
    gather.push_buffer(64..71);
    gather.push_mapped(&mapping, 5_001..12_000);
    gather.push_buffer(71..78);
    gather.push_mapped(&mapping, 0..1);
    gather.push_bytes(Bytes::from_static(b"shared"));
    gather.push_buffer(78..84);
    assert_eq!(gather.parts(), 6);
    let all = gather.remaining();
    ring.send(ours.as_fd(), gather, OWNER);
    let (mut gather, result) = sent(event(&mut ring));
    assert_eq!(result, Ok(all));
    gather.advance(all);
    assert_eq!((gather.parts(), Rc::strong_count(&mapping)), (0, 1));
    let mut got = vec![0; all];
    theirs.read_exact(&mut got).unwrap();
    let expected = [
        b"headerA",
        &content[5_001..12_000],
        b"headerB",
        &content[..1],
        b"shared",
        b"TRAILR",
    ]
    .concat();
    assert!(got == expected);
}

#[test]
fn what_is_sent_without_a_copy_is_held_until_the_kernel_lets_go_of_it() {
    let mut ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    let content = pattern(100_000);
    let file = file(&content);
    let mapping = Rc::new(Mapping::new(file.as_fd(), 100_000).unwrap());
    let mut gather = gather(&ring, 100);
    gather.buffer_mut().unwrap()[..9].copy_from_slice(b"the head:");
    gather.push_buffer(0..9);
    gather.push_mapped(&mapping, 0..100_000);
    ring.send_zero_copy(ours.as_fd(), gather, OWNER).unwrap();

    let (mut gather, result) = sent(event(&mut ring));
    if result == Err(Errno::INVAL) {
        // Linux 6.1 cannot say whether it copied.
        ring.send(ours.as_fd(), gather, OWNER);
        assert!(sent(event(&mut ring)).1.is_ok());
        return;
    }
    let taken = result.unwrap();
    assert_eq!(ring.in_flight(), 0, "the send is over");
    let lease = gather.take_buffer().unwrap();
    gather.clear();
    assert!(lease.is_held());
    assert_eq!(Rc::strong_count(&mapping), 2);
    drop(lease);
    assert_ne!(ring.arena().leased(), 0);

    let mut got = vec![0; taken];
    client.read_exact(&mut got).unwrap();
    let Event::Released { copied } = event(&mut ring) else {
        panic!("not released");
    };
    assert!(copied, "no card sends to this machine");
    assert_eq!((ring.arena().leased(), Rc::strong_count(&mapping)), (0, 1));
    assert!(got == [b"the head:", &content[..taken - 9]].concat());
}

#[test]
fn what_is_not_of_the_arena_is_not_sent_without_a_copy() {
    let mut ring = ring();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut gather = Gather::new();
    gather.set_buffer(Lease::on_heap(10));
    gather.push_buffer(0..10);
    let gather = ring
        .send_zero_copy(ours.as_fd(), gather, OWNER)
        .unwrap_err();
    assert_eq!((gather.remaining(), ring.in_flight()), (10, 0));
}

#[test]
fn a_socket_that_cannot_send_without_a_copy_says_so() {
    let mut ring = ring();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut gather = gather(&ring, 10);
    gather.push_buffer(0..10);
    ring.send_zero_copy(ours.as_fd(), gather, OWNER).unwrap();
    let (gather, result) = sent(event(&mut ring));
    assert!(matches!(result, Err(Errno::OPNOTSUPP | Errno::INVAL)));
    drop(gather);
    // Of what was not sent nothing is said.
    ring.wait(Duration::from_millis(20));
    assert!(ring.next().is_none());
    assert_eq!(ring.arena().leased(), 0);
}

#[test]
fn a_full_socket_takes_the_rest_when_it_is_writable() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let content = pattern(1 << 20);
    let mut gather = gather(&ring, 1 << 20);
    gather.buffer_mut().unwrap().copy_from_slice(&content);
    gather.push_buffer(0..1 << 20);
    let mut got = Vec::new();
    let mut refused = 0;
    while gather.remaining() > 0 {
        ring.send(ours.as_fd(), gather, OWNER);
        let result;
        (gather, result) = sent(event(&mut ring));
        match result {
            Ok(n) => {
                assert!(n < 1 << 20, "the socket is too large for this test");
                gather.advance(n);
            }
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                refused += 1;
                ring.poll_writable(ours.as_fd(), OWNER);
                ring.submit();
                assert!(ring.next().is_none());
                let end = theirs.read_to_end(&mut got).unwrap_err();
                assert_eq!(end.kind(), ErrorKind::WouldBlock);
                assert!(matches!(
                    event(&mut ring),
                    Event::Writable { result: Ok(true) }
                ));
            }
        }
    }
    drop(ours);
    theirs.read_to_end(&mut got).unwrap();
    assert!(refused > 0 && got == content);
}

#[test]
fn more_parts_than_the_kernel_takes_are_a_short_send() {
    let mut ring = ring();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut gather = Gather::new();
    for _ in 0..1_500 {
        gather.push_bytes(Bytes::from_static(b"x"));
    }
    ring.send(ours.as_fd(), gather, OWNER);
    let (gather, result) = sent(event(&mut ring));
    assert_eq!((result, gather.parts()), (Ok(1_024), 1_500));
}

#[test]
fn sending_to_who_is_gone_is_an_error_and_no_signal() {
    let mut ring = ring();
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let mut gather = Gather::new();
    gather.push_bytes(Bytes::from_static(b"x"));
    ring.send(ours.as_fd(), gather, OWNER);
    assert_eq!(sent(event(&mut ring)).1, Err(Errno::PIPE));
}

#[test]
fn receiving_goes_on_after_buffers_ran_out() {
    let mut ring = Ring::new(&RingOptions {
        recv_buffers: 2,
        recv_buffer_bytes: 16,
        ..OPTIONS
    })
    .unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let content = pattern(100);
    theirs.write_all(&content).unwrap();
    let mut got = Vec::new();
    let mut held = Vec::new();
    ring.recv(ours.as_fd(), OWNER);
    while got.len() < content.len() {
        match event(&mut ring) {
            Event::Received {
                data: Ok(data),
                more,
            } => {
                got.extend_from_slice(&data);
                held.push(data);
                if !more {
                    ring.recv(ours.as_fd(), OWNER);
                }
            }
            Event::Received {
                data: Err(errno),
                more,
            } => {
                assert_eq!((errno, more, held.len()), (Errno::NOBUFS, false, 2));
                held.clear();
                ring.recv(ours.as_fd(), OWNER);
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(got, content);
    assert!(ring.counters().no_buffers >= 3);
}

#[test]
fn a_receive_buffer_outlives_its_ring() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"kept").unwrap();
    ring.recv(ours.as_fd(), OWNER);
    let (mut data, _) = received(event(&mut ring));
    drop(ring);
    data[0] = b'K';
    assert_eq!(&data[..], b"Kept");
}

#[test]
fn cancelling_a_descriptor_ends_what_waits_on_it() {
    let mut ring = ring();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let (other, _peer) = UnixStream::pair().unwrap();
    ring.recv(ours.as_fd(), OWNER);
    ring.recv(other.as_fd(), Owner { slot: 4, ..OWNER });
    ring.submit();
    ring.cancel(ours.as_fd());
    assert!(matches!(
        event(&mut ring),
        Event::Received {
            data: Err(Errno::CANCELED),
            more: false
        }
    ));
    assert!(ring.next().is_none());
    assert_eq!(ring.in_flight(), 1);
}

#[test]
fn one_receive_is_cancelled_and_its_late_end_is_told_to_the_old_owner() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (old, new) = (
        Owner {
            slot: 1,
            generation: 1,
        },
        Owner {
            slot: 1,
            generation: 2,
        },
    );
    let receive = ring.recv(ours.as_fd(), old);
    ring.submit();
    ring.cancel_one(receive);
    ring.recv(ours.as_fd(), new);
    let end = next(&mut ring);
    assert_eq!(end.owner, old);
    assert!(matches!(
        end.event,
        Event::Received {
            data: Err(Errno::CANCELED),
            more: false
        }
    ));
    theirs.write_all(b"for the new one").unwrap();
    let data = next(&mut ring);
    assert_eq!(data.owner, new);
    assert_eq!(&received(data.event).0[..], b"for the new one");
    // The entry of the old one is used again, by another operation.
    ring.recv(theirs.as_fd(), old);
    ring.cancel_one(receive);
    (&ours).write_all(b"not cancelled").unwrap();
    let data = next(&mut ring);
    assert_eq!(data.owner, old);
    assert_eq!(&received(data.event).0[..], b"not cancelled");
}

#[test]
fn a_wait_for_room_is_cancelled_and_nothing_else_on_the_socket() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    while (&ours).write(&[0; 4_096]).is_ok() {}
    ours.set_nonblocking(false).unwrap();
    ring.recv(ours.as_fd(), OWNER);
    let poll = ring.poll_writable(ours.as_fd(), OWNER);
    ring.submit();
    ring.cancel_one(poll);
    let end = event(&mut ring);
    assert!(matches!(
        end,
        Event::Writable {
            result: Err(Errno::CANCELED)
        }
    ));
    theirs.write_all(b"still received").unwrap();
    assert_eq!(&received(event(&mut ring)).0[..], b"still received");
}

#[test]
fn accepting_without_descriptors_says_so_and_can_be_resumed() {
    if !in_a_process_of_its_own(
        "uring::tests::sockets::accepting_without_descriptors_says_so_and_can_be_resumed",
    ) {
        return;
    }
    let mut ring = ring();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let before = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: Some(0),
        ..before
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    ring.accept(listener.as_fd(), OWNER);
    let refused = event(&mut ring);
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(matches!(
        refused,
        Event::Accepted {
            socket: Err(Errno::MFILE),
            more: false
        }
    ));
    ring.accept(listener.as_fd(), OWNER);
    accepted(event(&mut ring));
}

/// Two ends of a TCP connection.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, theirs)
}

#[test]
fn receiving_once_takes_no_more_than_asked_for() {
    let mut ring = ring();
    let (ours, mut theirs) = tcp_pair();
    theirs.write_all(b"headerbody").unwrap();
    ring.recv_once(ours.as_fd(), 6, OWNER);
    let (data, more) = received(event(&mut ring));
    assert_eq!((&data[..], more), (&b"header"[..], false));
    drop(data);
    ring.recv_once(ours.as_fd(), 100, OWNER);
    let (data, more) = received(event(&mut ring));
    assert_eq!((&data[..], more), (&b"body"[..], false));
    drop(data);
    drop(theirs);
    ring.recv_once(ours.as_fd(), 100, OWNER);
    assert!(received(event(&mut ring)).0.is_empty());
    assert_eq!((ring.in_flight(), ring.recv_buffers_held()), (0, 0));
}

fn discard(ring: &mut Ring, socket: &TcpStream, len: u32) -> usize {
    ring.discard(socket.as_fd(), len, OWNER);
    match event(ring) {
        Event::Discarded { result: Ok(taken) } => taken,
        other => panic!("not discarded: {other:?}"),
    }
}

#[test]
fn what_is_discarded_is_gone_and_nothing_else() {
    let mut ring = ring();
    let (ours, mut theirs) = tcp_pair();
    let content = pattern(1 << 20);
    let all = content.clone();
    let writer = std::thread::spawn(move || {
        for part in all.chunks(77_777) {
            theirs.write_all(part).unwrap();
        }
        theirs
    });
    let mut left = 1_000_000;
    while left > 0 {
        left -= discard(&mut ring, &ours, left as u32);
    }
    ring.recv_once(ours.as_fd(), 8, OWNER);
    let (data, _) = received(event(&mut ring));
    assert_eq!(data[..], content[1_000_000..1_000_008]);
    drop(data);
    drop(writer.join().unwrap());
    left = content.len() - 1_000_008;
    while left > 0 {
        left -= discard(&mut ring, &ours, u32::MAX);
    }
    assert_eq!(discard(&mut ring, &ours, 1), 0, "the stream ends");
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn what_is_no_tcp_socket_discards_nothing() {
    let mut ring = ring();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"kept").unwrap();
    ring.discard(ours.as_fd(), 4, OWNER);
    let event = event(&mut ring);
    assert!(
        matches!(event, Event::Discarded { result: Err(_) }),
        "{event:?}"
    );
}
