//! Makes a filled slot ready to be sent: its holes are filled or made safe to gather, its records sealed.
//!
//! - A gathered hole has pages that are not resident brought in through the ring first, so that the send never waits for
//!   a disk; then, right before the send, its file is asked for its size.
//! - Into a placed hole what is resident is read at once, the rest through the ring.
//!
//! A file that cannot supply its bytes any more ends its stream and nothing else: the frames that announce the
//! missing bytes are emptied or turned into frames that a peer ignores, and the core resets the stream.

use std::ops::Range;
use std::os::fd::AsFd;
use std::rc::Rc;

use rustix::io::Errno;

use super::connection::Transport;
use super::output::Outgoing;
use super::page_cache::{self, BegunRead, Staged};
use super::protocol::Protocol;
use crate::files::{FileRef, Way};
use crate::slot::{Hole, Plan};
use crate::uring::{Gather, Mapping, Owner, Pages, Ring};

/// The rest of a begun frame that is read ahead at most. Reading more would cost what gathering saves; a file that
/// shrinks within a larger frame ends the connection.
const MAX_SECURED: usize = 64 << 10;

/// What comes of preparing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The slot can be sent.
    Ready,
    /// An operation of the ring was begun; its completion goes on.
    Waiting,
    /// The connection cannot go on.
    Broken,
}

/// Goes on until the slot can be sent or waits for the ring.
pub(super) fn prepare(
    outgoing: &mut Outgoing,
    protocol: &mut Protocol,
    transport: &mut Transport,
    ring: &mut Ring,
    owner: Owner,
    now_ns: u64,
) -> Step {
    while let Some(hole) = outgoing.plan.holes.get(outgoing.ready.0) {
        let ready = match hole.gathered {
            // What was emptied asks for nothing.
            _ if hole.len == 0 => skip(outgoing),
            true => bring_in(outgoing, ring, owner, now_ns),
            false => read(outgoing, ring, owner),
        };
        if ready != Step::Ready {
            return ready;
        }
    }
    match check_sizes(outgoing, protocol, ring) {
        Step::Ready => seal(outgoing, transport),
        step => step,
    }
}

fn skip(outgoing: &mut Outgoing) -> Step {
    outgoing.ready = (outgoing.ready.0 + 1, 0);
    Step::Ready
}

/// The read into the holes came back: whether the connection can go on.
pub(super) fn read_done(
    outgoing: &mut Outgoing,
    protocol: &mut Protocol,
    gather: Box<Gather>,
    result: Result<usize, Errno>,
) -> Step {
    let read = outgoing.read.take();
    let result = match &read {
        Some(BegunRead::Direct(staged)) => result.map(|n| place(outgoing, &gather, staged, n)),
        _ => {
            outgoing.gather = Some(gather);
            result
        }
    };
    match result {
        Ok(n) if n > 0 => filled(outgoing, n),
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(errno) if refused(outgoing, read.as_ref(), errno) => {}
        // The end of the file, or an error of its medium.
        Ok(_) | Err(_) => {
            let hole = outgoing.ready.0;
            return fail(outgoing, protocol, hole);
        }
    }
    Step::Ready
}

/// The pages of the hole at hand were brought in, or could not be: whether the connection can go on.
pub(super) fn populated(
    outgoing: &mut Outgoing,
    protocol: &mut Protocol,
    ring: &Ring,
    result: Result<(), Errno>,
) -> Step {
    let first = outgoing.ready.0;
    let end = run_end(&outgoing.plan.holes, first);
    // Whatever came of it, populating the same pages for ever would not be right.
    outgoing.ready.0 = end;
    if let Ok(()) | Err(Errno::INTR | Errno::AGAIN | Errno::NOMEM) = result {
        return Step::Ready;
    }
    // The file has shrunk, or its medium has failed: a send would wait for the same error, and end the connection.
    if check_sizes(outgoing, protocol, ring) == Step::Broken {
        return Step::Broken;
    }
    let absent = |hole: &Hole<FileRef>| {
        let range = hole.offset..hole.offset + hole.len as u64;
        let file = &hole.file.0;
        let present = |mapping: &Rc<Mapping>| {
            let ask = |page| ring.resident(mapping, file.descriptor.as_fd(), page);
            each_page(&range, ask)
        };
        hole.len > 0 && !file.mapping().is_some_and(present)
    };
    match (first..end).find(|&hole| absent(&outgoing.plan.holes[hole])) {
        Some(lost) => {
            // What follows may be of another stream, and was not tried.
            outgoing.ready.0 = lost + 1;
            lose(outgoing, protocol, lost)
        }
        None => Step::Ready,
    }
}

/// A send was cut within a frame: reads the rest of that frame now, while the file is known to have it. What the
/// frame header has promised can then be kept whatever becomes of the file.
pub(super) fn secure_begun_frame(outgoing: &mut Outgoing, ring: &Ring) {
    let Some(begun) = outgoing.cursor.begun(&outgoing.plan) else {
        return;
    };
    let hole = &outgoing.plan.holes[begun.hole];
    let (offset, left) = (hole.offset + begun.within as u64, hole.len - begun.within);
    if left > MAX_SECURED {
        return;
    }
    let file = Rc::clone(&hole.file.0);
    let Some(gather) = outgoing.gather.as_mut() else {
        return;
    };
    let room = begun.header.len() + left;
    if let Some(lease) = gather.take_buffer() {
        // What was carried before may still be under way, sent without a copy.
        let held = lease.is_held() && outgoing.cursor.has_carried(&outgoing.plan);
        let lease = if held || outgoing.plan.used.end + room > lease.len() {
            let rest = outgoing.cursor.rest(&mut outgoing.plan);
            lease.into_another(ring.arena(), rest, room)
        } else {
            lease
        };
        gather.set_buffer(lease);
    }
    let (Some(begun), Some(buffer)) = (outgoing.cursor.begun(&outgoing.plan), gather.buffer_mut())
    else {
        return;
    };
    let start = outgoing.plan.used.end;
    let payload = start + begun.header.len()..start + room;
    buffer.copy_within(begun.header, start);
    let segments = std::slice::from_ref(&payload);
    let descriptor = file.descriptor.as_fd();
    if ring.read_now(descriptor, buffer, segments, offset, Pages::Keep) == Ok(left) {
        outgoing.cursor.carry(start..payload.end, &outgoing.plan);
    }
}

/// Has pages of the run at hand that are not resident brought in.
fn bring_in(outgoing: &mut Outgoing, ring: &mut Ring, owner: Owner, now_ns: u64) -> Step {
    let (holes, first) = (&outgoing.plan.holes, outgoing.ready.0);
    let end = run_end(holes, first);
    let (file, range) = (
        &holes[first].file,
        holes[first].offset..run_limit(holes, end),
    );
    if let Some(mapping) = file.0.mapping()
        && !resident(mapping, file, &range, ring, now_ns)
    {
        ring.populate(Rc::clone(mapping), range, owner);
        return Step::Waiting;
    }
    outgoing.ready.0 = end;
    Step::Ready
}

fn resident(
    mapping: &Mapping,
    file: &FileRef,
    range: &Range<u64>,
    ring: &Ring,
    now_ns: u64,
) -> bool {
    let descriptor = file.0.descriptor.as_fd();
    let ask = |range| ring.resident(mapping, descriptor, range);
    file.0.resident.covers(range, mapping.len(), now_ns, ask)
}

/// Whether a byte of each page of a range is there by what `ask` says. Of several pages together [`Ring::resident`] may
/// only guess, by some of them.
fn each_page(range: &Range<u64>, ask: impl Fn(Range<u64>) -> bool) -> bool {
    let page = rustix::param::page_size();
    let mut pages = (range.start / page as u64 * page as u64..range.end).step_by(page);
    pages.all(|at| ask(at.max(range.start)..at.max(range.start) + 1))
}

/// Empties the gathered frames of files that have shrunk. The kernel copies right after this, in the same turn.
fn check_sizes(outgoing: &mut Outgoing, protocol: &mut Protocol, ring: &Ring) -> Step {
    let mut index = outgoing.cursor.untouched();
    while index < outgoing.plan.holes.len() {
        let hole = &outgoing.plan.holes[index];
        let end = run_end(&outgoing.plan.holes, index);
        if !hole.gathered {
            index = end;
            continue;
        }
        let len = ring.size(hole.file.0.descriptor.as_fd()).unwrap_or(0);
        if run_limit(&outgoing.plan.holes, end) > len {
            // The first hole of the run that is not all there. One that was emptied before asks for nothing.
            let whole =
                |hole: &Hole<FileRef>| hole.len == 0 || hole.offset + hole.len as u64 <= len;
            if let Some(lost) = (index..end).find(|&i| !whole(&outgoing.plan.holes[i])) {
                if lose(outgoing, protocol, lost) == Step::Broken {
                    return Step::Broken;
                }
                // What follows in the run may be of another stream.
                index = lost + 1;
                continue;
            }
        }
        index = end;
    }
    Step::Ready
}

/// As [`fail`], for a gathered hole. A frame of which a part is sent cannot be emptied any more: without its bytes the
/// wire is out of step.
fn lose(outgoing: &mut Outgoing, protocol: &mut Protocol, lost: usize) -> Step {
    let begun = outgoing.cursor.begun(&outgoing.plan);
    if begun.is_some_and(|begun| begun.hole == lost) {
        return Step::Broken;
    }
    fail(outgoing, protocol, lost)
}

/// Reads what is resident of the run at hand, or has it read by the ring.
fn read(outgoing: &mut Outgoing, ring: &mut Ring, owner: Owner) -> Step {
    let hole = &outgoing.plan.holes[outgoing.ready.0];
    let file = Rc::clone(&hole.file.0);
    let offset = hole.offset + outgoing.ready.1 as u64;
    let (segments, count) = segments(&outgoing.plan, outgoing.ready);
    let segments = &segments[..count];
    if let Some(direct) = file.reading.by_direct() {
        let len = segments.iter().map(|segment| segment.len()).sum();
        let (gather, staged, from) = page_cache::stage(ring.arena(), direct, offset, len);
        let descriptor = Rc::clone(&direct.descriptor);
        let room = std::slice::from_ref(&staged.room);
        ring.read(descriptor, gather, room, from, owner);
        outgoing.read = Some(BegunRead::Direct(staged));
        return Step::Waiting;
    }
    let (pages, begun) = match file.reading.way() {
        Way::DontCache => (Pages::DontCache, Some(BegunRead::DontCache)),
        _ => (Pages::Keep, None),
    };
    let Some(buffer) = buffer_of(&mut outgoing.gather) else {
        return Step::Broken;
    };
    match ring.read_now(file.descriptor.as_fd(), buffer, segments, offset, pages) {
        Ok(n) if n > 0 => {
            filled(outgoing, n);
            Step::Ready
        }
        // Not resident, the end of the file, or a file system that cannot tell: the ring finds out.
        Ok(_) | Err(_) => {
            let Some(gather) = outgoing.gather.take() else {
                return Step::Broken;
            };
            let descriptor = Rc::clone(&file.descriptor);
            ring.read_pages(descriptor, gather, segments, offset, pages, owner);
            outgoing.read = begun;
            Step::Waiting
        }
    }
}

/// Copies what was read beside the slot into the holes at hand: how many bytes of them.
fn place(outgoing: &mut Outgoing, from: &Gather, staged: &Staged, read: usize) -> usize {
    let (segments, count) = segments(&outgoing.plan, outgoing.ready);
    match (from.buffer(), buffer_of(&mut outgoing.gather)) {
        (Some(from), Some(into)) => staged.place(from, read, into, &segments[..count]),
        _ => 0,
    }
}

/// Whether a read failed for the way in which it was made: the file is read in another from now on.
fn refused(outgoing: &Outgoing, read: Option<&BegunRead>, errno: Errno) -> bool {
    let file = outgoing.plan.holes.get(outgoing.ready.0);
    match (file, read) {
        (Some(hole), Some(read)) => read.refused(&hole.file.0.reading, errno),
        _ => false,
    }
}

fn seal(outgoing: &mut Outgoing, transport: &mut Transport) -> Step {
    if outgoing.plan.records.is_empty() {
        return Step::Ready;
    }
    let Transport::Session(session) = transport else {
        return Step::Broken;
    };
    let Some(buffer) = buffer_of(&mut outgoing.gather) else {
        return Step::Broken;
    };
    let sealed = session.seal(buffer, &outgoing.plan.records);
    // Sealed once: what is left after a short send is sent as it is.
    outgoing.plan.records.clear();
    if sealed.is_ok() {
        Step::Ready
    } else {
        Step::Broken
    }
}

/// The slot, unless the ring has it.
fn buffer_of(gather: &mut Option<Box<Gather>>) -> Option<&mut [u8]> {
    gather.as_mut()?.buffer_mut()
}

/// Segments of one read: a slot has at most 64 full records or frames, and a few that are not.
const MAX_SEGMENTS: usize = 96;

/// The buffer ranges from the hole at `ready` on that continue one file without a gap.
fn segments(plan: &Plan<FileRef>, ready: (usize, usize)) -> ([Range<usize>; MAX_SEGMENTS], usize) {
    let mut segments = [const { 0..0 }; MAX_SEGMENTS];
    let end = run_end(&plan.holes, ready.0).min(ready.0 + MAX_SEGMENTS);
    for (segment, hole) in segments.iter_mut().zip(&plan.holes[ready.0..end]) {
        *segment = hole.at..hole.at + hole.len;
    }
    segments[0].start += ready.1;
    (segments, end - ready.0)
}

/// `n` more bytes are in the holes.
fn filled(outgoing: &mut Outgoing, mut n: usize) {
    while let Some(hole) = outgoing.plan.holes.get(outgoing.ready.0) {
        let left = hole.len - outgoing.ready.1;
        if n < left {
            outgoing.ready.1 += n;
            return;
        }
        n -= left;
        outgoing.ready = (outgoing.ready.0 + 1, 0);
        if n == 0 {
            return;
        }
    }
}

/// Index after the last hole that continues the same file without a gap.
fn run_end(holes: &[Hole<FileRef>], from: usize) -> usize {
    let mut end = from + 1;
    while end < holes.len() {
        let (last, next) = (&holes[end - 1], &holes[end]);
        if !next.file.same(&last.file) || next.offset != last.offset + last.len as u64 {
            break;
        }
        end += 1;
    }
    end.min(holes.len())
}

/// File offset at which the run that ends before `end` ends.
fn run_limit(holes: &[Hole<FileRef>], end: usize) -> u64 {
    holes[..end]
        .last()
        .map_or(0, |hole| hole.offset + hole.len as u64)
}

/// The file of the hole at `from` cannot supply it: nothing of that stream from there on goes out, and it is reset.
///
/// Bytes that no frame announces were promised by a head that is out, or in this slot: the connection cannot go on.
fn fail(outgoing: &mut Outgoing, protocol: &mut Protocol, from: usize) -> Step {
    let Some(buffer) = buffer_of(&mut outgoing.gather) else {
        return Step::Broken;
    };
    if !protocol.cut(&mut outgoing.plan, buffer, from) {
        return Step::Broken;
    }
    // Of the hole at hand nothing is read any more.
    outgoing.ready.1 = 0;
    Step::Ready
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::FileExt;

    use bytes::Bytes;

    use super::*;
    use crate::files::test_file;
    use crate::h2::settings::SettingsFrame;
    use crate::h2::{self, Config, Scratch, limits};
    use crate::slot::{Layout, Slot};
    use crate::uring::{Arena, Gather, RingOptions};

    const FILE_BYTES: u64 = 10_000;

    fn ring() -> Ring {
        Ring::new(&RingOptions {
            entries: 2,
            completions: 2,
            recv_buffers: 1,
            recv_buffer_bytes: 1,
            arena_bytes: 1,
        })
        .unwrap()
    }

    /// A gathered slot with one frame for each (stream, offset) of 1,000 bytes of the file.
    fn gathered(file: &FileRef, frames: &[(u32, u64)]) -> Outgoing {
        let mut gather = Gather::new();
        let mut plan = Box::<Plan<FileRef>>::default();
        let mut lease = Arena::new(1).unwrap().lease(1).unwrap();
        let mut slot = Slot::new(&mut lease, &mut plan, Layout::Gathered, usize::MAX);
        for &(stream, offset) in frames {
            let at = slot.put_frame_header(&[0, 3, 0xe8, 0, 1, 0, 0, 0, stream as u8]);
            slot.hole(file, offset, 1_000, at, stream);
        }
        slot.finish();
        gather.set_buffer(lease);
        Outgoing::new(gather, plan, Bytes::new(), 0)
    }

    /// A core with requests on the streams 1, 3 and 5.
    fn core() -> Protocol {
        let mut core = h2::Connection::new(Rc::new(Config::default()), 0);
        let mut input = limits::PREFACE.to_vec();
        input.extend_from_slice(SettingsFrame::new(&[]).as_bytes());
        for stream in [1, 3, 5] {
            // `:method` GET, `:scheme` https, `:path` /, and `:authority` a.
            input
                .extend_from_slice(&[0, 0, 6, 1, 5, 0, 0, 0, stream, 0x82, 0x87, 0x84, 1, 1, b'a']);
        }
        let (mut input, mut scratch) = (&input[..], Scratch::default());
        while core.handle_bytes(0, &mut input, &mut scratch).is_some() {}
        Protocol::Http2(core)
    }

    /// The streams that the core resets.
    fn resets(core: &mut Protocol) -> Vec<u8> {
        let (mut buffer, mut plan) = (vec![0; 1_000], Plan::default());
        let mut slot = Slot::new(&mut buffer, &mut plan, Layout::Placed, usize::MAX);
        core.poll_transmit(0, &mut slot);
        slot.finish();
        let mut rest = &buffer[plan.used];
        let mut streams = Vec::new();
        while let Some((header, after)) = rest.split_first_chunk::<9>() {
            if header[3] == 3 {
                streams.push(header[8]);
            }
            rest = &after[usize::from(header[2])..];
        }
        streams
    }

    fn lengths(outgoing: &Outgoing) -> Vec<usize> {
        outgoing.plan.holes.iter().map(|hole| hole.len).collect()
    }

    #[test]
    fn streams_that_share_a_run_of_a_file_that_shrank_all_fail() {
        let disk: File = tempfile::tempfile().unwrap();
        disk.set_len(FILE_BYTES).unwrap();
        let file = test_file(OwnedFd::from(disk.try_clone().unwrap()), FILE_BYTES);
        // One after the other in the file, so that they are looked at together.
        let mut outgoing = gathered(&file, &[(1, 0), (3, 1_000), (5, 2_000), (3, 3_000)]);
        disk.set_len(1_500).unwrap();
        let mut core = core();
        assert_eq!(check_sizes(&mut outgoing, &mut core, &ring()), Step::Ready);
        assert_eq!(lengths(&outgoing), [1_000, 0, 0, 0]);
        assert_eq!(resets(&mut core), [3, 5]);
    }

    /// As when a disk fails: only the first page can be had, and the frames lie around its end.
    #[test]
    fn streams_whose_pages_cannot_be_had_fail_one_by_one() {
        let page = rustix::param::page_size() as u64;
        let disk: File = tempfile::tempfile().unwrap();
        disk.set_len(4 * page).unwrap();
        disk.write_all_at(&vec![1; page as usize], 0).unwrap();
        let file = test_file(OwnedFd::from(disk.try_clone().unwrap()), 4 * page);
        let ends = page - 1_500;
        let frames = [(1, ends), (3, ends + 1_000), (5, ends + 2_000)];
        let (mut outgoing, mut core) = (gathered(&file, &frames), core());
        for (failed, ready) in [([1_000, 0, 1_000], 2), ([1_000, 0, 0], 3)] {
            let step = populated(&mut outgoing, &mut core, &ring(), Err(Errno::FAULT));
            assert_eq!((step, outgoing.ready.0), (Step::Ready, ready));
            assert_eq!(lengths(&outgoing), failed);
        }
        assert_eq!(resets(&mut core), [3, 5]);

        // What is half sent cannot be taken back.
        let mut outgoing = gathered(&file, &frames);
        outgoing.cursor.advance(1_009 + 4, &outgoing.plan);
        let step = populated(&mut outgoing, &mut core, &ring(), Err(Errno::FAULT));
        assert_eq!(step, Step::Broken);
        // But it can be tried again.
        for errno in [Errno::INTR, Errno::AGAIN, Errno::NOMEM] {
            let mut outgoing = gathered(&file, &frames);
            let step = populated(&mut outgoing, &mut core, &ring(), Err(errno));
            assert_eq!((step, outgoing.ready.0), (Step::Ready, 3));
            assert_eq!(lengths(&outgoing), [1_000; 3]);
        }
    }

    #[test]
    fn a_page_that_cannot_be_had_is_found_among_those_that_can() {
        let page = rustix::param::page_size() as u64;
        // Of more than a byte only the first and the last are looked at.
        let there = |at: u64| at / page != 1;
        let ask = |range: Range<u64>| there(range.start) && there(range.end - 1);
        for (range, present) in [
            (0..1, true),
            (1..page, true),
            (2 * page..5 * page, true),
            (0..3 * page, false),
            (page - 1..page + 1, false),
            (2 * page - 1..2 * page + 1, false),
            (page + 1..page + 2, false),
        ] {
            assert_eq!(each_page(&range, ask), present, "{range:?}");
        }
    }

    #[test]
    fn an_emptied_frame_asks_for_nothing_when_it_is_looked_at_again() {
        let disk: File = tempfile::tempfile().unwrap();
        disk.set_len(FILE_BYTES).unwrap();
        let file = test_file(OwnedFd::from(disk.try_clone().unwrap()), FILE_BYTES);
        let mut outgoing = gathered(&file, &[(1, 0), (3, 5_000)]);
        disk.set_len(1_000).unwrap();
        let mut core = core();
        assert_eq!(check_sizes(&mut outgoing, &mut core, &ring()), Step::Ready);
        assert_eq!(resets(&mut core), [3]);
        // The socket took the first frame and a part of the emptied frame's header.
        outgoing.cursor.advance(1_009 + 4, &outgoing.plan);
        assert_eq!(check_sizes(&mut outgoing, &mut core, &ring()), Step::Ready);
        assert_eq!(resets(&mut core), [] as [u8; 0]);
        outgoing.cursor.advance(5, &outgoing.plan);
        assert!(outgoing.cursor.is_done(&outgoing.plan));
    }
}
