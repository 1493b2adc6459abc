//! Which representation of a file a request gets, and the digests that it wants with it.
//!
//! 1. A file beside it that was coded beforehand, if the client takes its coding.
//! 2. Else the file as it is coded here, if that is worth it: made off the loop once, and kept.
//! 3. Else the file as it is.

use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use super::answer::{self, Context, Digests, Field, Request, Variant, WaitingRequest};
use super::offload::{Lane, Unwanted};
use super::open::Waiter;
use super::seek::{Asker, Outcome, Stage};
use super::shared::{Product, Shared, Subject};
use crate::files::coding::{Coded, MADE_HERE, compress, worth_coding};
use crate::files::{DIGEST_AT_ONCE_BYTES, FileRef, Found, Hasher, Lookup, OpenFile};
use crate::http::{
    AcceptEncoding, Coding, Decision, Digest, DigestAlgorithm, Method, WantDigest, accepts_trailers,
};
use crate::response::Response;
use crate::site::SiteId;
use crate::uring::Ring;

/// A file up to so many bytes is hashed before it is answered, when a digest of it is wanted and not known: about 40 ms
/// of a core. Of larger ones it is sent behind the content to those who take trailers, and in the next answer to
/// those who do not.
const MAX_AWAITED_DIGEST_BYTES: u64 = 64 << 20;
/// Bytes of a file that are read at once to be hashed or coded.
const READ_AT_ONCE: usize = 256 << 10;

/// The files beside one, as far as they were looked at.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    pub(super) base: Rc<OpenFile>,
    found: [Option<Rc<OpenFile>>; Coding::PRECOMPRESSED.len()],
    /// The next to be looked at.
    next: usize,
}

/// An answer that waits for its digests.
#[derive(Clone, Debug)]
pub(super) struct Digesting {
    variant: Variant,
    /// Those that are known.
    digests: Digests,
}

/// The digests that a job made, or could not make since the file has changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Digested {
    repr: Option<Digest>,
    content: Option<Digest>,
    /// The content is all of the representation.
    whole: bool,
    /// Their bytes began to be read then, or later.
    read_at_secs: u64,
}

/// The digests that a job is to make: by which algorithm, and of which bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ToDigest {
    repr: Option<DigestAlgorithm>,
    content: Option<(DigestAlgorithm, Range<u64>)>,
}

/// A request for a file that was found.
pub(super) struct Representing<'a> {
    pub(super) asker: Asker,
    pub(super) request: &'a Request<'a>,
    pub(super) site: SiteId,
    pub(super) shared: &'a mut Shared,
}

impl Representing<'_> {
    /// Answers with a file, or waits for what is to be found out of it.
    pub(super) fn file(self, base: &Rc<OpenFile>) -> Option<Response<FileRef>> {
        let Some(accepted) = self.request.get(Field::AcceptEncoding) else {
            let varies = may_be_coded(base);
            return self.variant(Variant::plain(Rc::clone(base), varies));
        };
        let mut accept = AcceptEncoding::default();
        accept.add_line(accepted);
        let beside = Beside {
            base: Rc::clone(base),
            found: Default::default(),
            next: 0,
        };
        self.beside(beside, &accept)
    }

    /// Goes on when one of the files beside a file was opened, or was not there.
    pub(super) fn opened(self, mut beside: Beside, outcome: &Outcome) -> Option<Response<FileRef>> {
        let mut accept = AcceptEncoding::default();
        accept.add_line(self.request.get(Field::AcceptEncoding).unwrap_or_default());
        if let Ok(Found::File(file)) = outcome {
            beside.found[beside.next] = Some(Rc::clone(file));
        }
        beside.next += 1;
        self.beside(beside, &accept)
    }

    fn beside(self, mut beside: Beside, accept: &AcceptEncoding) -> Option<Response<FileRef>> {
        if beside.base.treatment.precompressed {
            while let Some(&coding) = Coding::PRECOMPRESSED.get(beside.next) {
                if accept.accepts(coding) {
                    let mut key = std::mem::take(&mut self.shared.key);
                    key.clear();
                    key.extend_from_slice(&beside.base.key);
                    key.extend_from_slice(coding.suffix().as_bytes());
                    let found = match self.shared.files.lookup(&key, self.shared.now_ns) {
                        Lookup::Hit(found) => Ok(Ok(found)),
                        Lookup::Open => self.shared.open_now(self.site, &key, true),
                    };
                    match found {
                        Ok(Ok(Found::File(file))) => beside.found[beside.next] = Some(file),
                        Ok(_) => {}
                        Err(rest) => {
                            let waiter = self.waiter(Stage::Beside(Box::new(beside)));
                            self.shared.open(self.site, &key, rest, waiter);
                            self.shared.key = key;
                            return None;
                        }
                    }
                    self.shared.key = key;
                }
                beside.next += 1;
            }
        }
        let available = Coding::PRECOMPRESSED
            .iter()
            .zip(&beside.found)
            .filter_map(|(&coding, file)| file.is_some().then_some(coding));
        let Beside { base, found, .. } = &beside;
        if found.iter().any(Option::is_some) {
            let chosen = accept.choose(available);
            let at = Coding::PRECOMPRESSED
                .iter()
                .position(|&coding| Some(coding) == chosen);
            let variant = match at.and_then(|at| found[at].as_ref().zip(chosen)) {
                Some((file, coding)) => Variant::precoded(Rc::clone(base), coding, Rc::clone(file)),
                None => Variant::plain(Rc::clone(base), true),
            };
            return self.variant(variant);
        }
        self.coded(base, accept)
    }

    /// As it is coded here, if it is worth it.
    fn coded(self, base: &Rc<OpenFile>, accept: &AcceptEncoding) -> Option<Response<FileRef>> {
        let varies = may_be_coded(base);
        let chosen = if is_coded_here(base) {
            accept.choose(MADE_HERE)
        } else {
            None
        };
        let Some(coding) = chosen else {
            return self.variant(Variant::plain(Rc::clone(base), varies));
        };
        if let Some(coded) = self.shared.coded.get(&base.identity, coding) {
            return self.made(Rc::clone(base), coding, coded);
        }
        let subject = Subject::Coded(base.identity, coding);
        if self.shared.offload.waiters(&subject).is_some() {
            // Who comes meanwhile gets the file as it is, sooner than the coded one would be there.
            return self.variant(Variant::plain(Rc::clone(base), varies));
        }
        let read_at_secs = self.shared.clock.now_secs;
        let waiter = self.waiter(Stage::Coding {
            base: Rc::clone(base),
            coding,
            read_at_secs,
        });
        let (contents, len) = (base.contents.clone(), base.identity.len);
        let begun = base.descriptor.try_clone().is_ok_and(|file| {
            let code = move |unwanted: &Unwanted| {
                let read = match contents {
                    Some(contents) => Some(contents.into()),
                    None => read_all(&file, len, unwanted),
                };
                Product::Coded(read.map(|bytes: Vec<u8>| compress(coding, &bytes)))
            };
            let offload = &mut self.shared.offload;
            offload.begin(Lane::Short, subject, waiter, code)
        });
        if begun {
            self.shared.begun_opening += 1;
            return None;
        }
        // The file as it is is always a right answer.
        self.variant(Variant::plain(Rc::clone(base), varies))
    }

    /// Goes on when a file was coded; `compressed` is `None` where it could not be read, and within it where it does not
    /// get smaller.
    pub(super) fn compressed(
        self,
        base: &Rc<OpenFile>,
        coding: Coding,
        read_at_secs: u64,
        compressed: Option<Option<Vec<u8>>>,
    ) -> Option<Response<FileRef>> {
        let Some(compressed) = compressed.filter(|_| is_unchanged(base, &self.shared.ring)) else {
            return self.variant(Variant::plain(Rc::clone(base), true));
        };
        let coded = self
            .shared
            .coded
            .insert(&base.identity, coding, compressed, read_at_secs);
        self.made(Rc::clone(base), coding, coded)
    }

    fn made(self, base: Rc<OpenFile>, coding: Coding, coded: Coded) -> Option<Response<FileRef>> {
        let variant = match coded {
            Coded::Smaller(bytes) => Variant::coded(base, coding, bytes),
            Coded::NotSmaller => Variant::plain(base, true),
        };
        self.variant(variant)
    }

    fn variant(self, variant: Variant) -> Option<Response<FileRef>> {
        let decision = answer::decide(&variant, &self.context(&variant));
        let wants = self.wanted(Field::WantReprDigest).is_some()
            || self.wanted(Field::WantContentDigest).is_some();
        if wants && matches!(decision, Decision::Full | Decision::Partial(_)) {
            return self.with_digests(variant, &decision);
        }
        Some(self.answer(&variant, &decision, &Digests::default()))
    }

    fn with_digests(mut self, variant: Variant, decision: &Decision) -> Option<Response<FileRef>> {
        let mut digests = Digests::default();
        let mut to_digest = ToDigest::default();
        if let Some(algorithm) = self.wanted(Field::WantReprDigest) {
            digests.repr = self.known(&variant, algorithm);
            to_digest.repr = digests.repr.is_none().then_some(algorithm);
        }
        if let Some(algorithm) = self.wanted(Field::WantContentDigest)
            && self.request.method == Method::Get
        {
            let range = match decision {
                Decision::Partial(ranges) => ranges.single().map(|r| r.first..r.last + 1),
                _ => Some(0..variant.len()),
            };
            let whole = range == Some(0..variant.len());
            digests.content = match &range {
                Some(_) if whole => self.known(&variant, algorithm),
                Some(range) => at_once(&variant, algorithm, range),
                None => None,
            };
            if digests.content.is_none() {
                to_digest.content = range.map(|range| (algorithm, range));
            }
        }
        if to_digest.repr.is_none() && to_digest.content.is_none() {
            return Some(self.answer(&variant, decision, &digests));
        }
        let whole = *decision == Decision::Full && self.request.method == Method::Get;
        if whole && self.takes_trailers() {
            digests.trailer = Some(match (&to_digest.repr, &to_digest.content) {
                (Some(_), Some(_)) => "repr-digest, content-digest",
                (Some(_), None) => "repr-digest",
                _ => "content-digest",
            });
            let begun = self.digest(&variant, digests, to_digest, Stage::Trailers);
            // Till they are there the answer has no end.
            self.shared.begun_opening += u32::from(begun);
            // Too much is being done: then there is none.
            digests.trailer = digests.trailer.filter(|_| begun);
            return Some(self.answer(&variant, decision, &digests));
        }
        if variant.len() > MAX_AWAITED_DIGEST_BYTES {
            self.digest_aside(&variant, digests, to_digest);
            return Some(self.answer(&variant, decision, &digests));
        }
        if self.digest(&variant, digests, to_digest, Stage::Digesting) {
            self.shared.begun_opening += 1;
            return None;
        }
        Some(self.answer(&variant, decision, &digests))
    }

    /// Has a digest of the whole made that is known when it is asked for again: one at a time, however many ask.
    fn digest_aside(&mut self, variant: &Variant, digests: Digests, to_digest: ToDigest) {
        let of_content = to_digest
            .content
            .filter(|(_, range)| *range == (0..variant.len()));
        let repr = to_digest
            .repr
            .or(of_content.map(|(algorithm, _)| algorithm));
        let to_digest = ToDigest {
            repr,
            content: None,
        };
        let subject = digests_of(variant, &to_digest);
        if repr.is_some() && self.shared.offload.waiters(&subject).is_none() {
            self.digest(variant, digests, to_digest, Stage::Aside);
        }
    }

    /// Has digests made, for a stage that goes on with them, or waits for those that are being made; whether that was begun.
    fn digest(
        &mut self,
        variant: &Variant,
        digests: Digests,
        to_digest: ToDigest,
        stage: impl FnOnce(Box<Digesting>) -> Stage,
    ) -> bool {
        let stage = stage(Box::new(Digesting {
            variant: variant.clone(),
            digests,
        }));
        let waiter = self.waiter(stage);
        let subject = digests_of(variant, &to_digest);
        if let Some(waiters) = self.shared.offload.waiters(&subject) {
            waiters.push(waiter);
            return true;
        }
        let Ok(file) = variant.file().descriptor.try_clone() else {
            return false;
        };
        let read_at_secs = self.shared.clock.now_secs;
        let (bytes, len) = (variant.bytes().cloned(), variant.len());
        let lane = if len > MAX_AWAITED_DIGEST_BYTES {
            Lane::Long
        } else {
            Lane::Short
        };
        let make_all = move |unwanted: &Unwanted| {
            let make = |algorithm, range: Range<u64>| match &bytes {
                Some(bytes) => Some(Hasher::digest(
                    algorithm,
                    &bytes[range.start as usize..range.end as usize],
                )),
                None => hash(&file, algorithm, range, unwanted),
            };
            let all = 0..len;
            let whole = matches!(&to_digest.content, Some((_, range)) if *range == all);
            let repr = to_digest.repr.and_then(|algorithm| make(algorithm, all));
            let content = to_digest.content.and_then(|(algorithm, range)| match repr {
                Some(repr) if repr.algorithm() == algorithm && whole => Some(repr),
                _ => make(algorithm, range),
            });
            Product::Digested(Digested {
                repr,
                content,
                whole,
                read_at_secs,
            })
        };
        let offload = &mut self.shared.offload;
        offload.begin(lane, subject, waiter, make_all)
    }

    /// Goes on when digests were made.
    pub(super) fn digested(self, digesting: &Digesting, digested: Digested) -> Response<FileRef> {
        let digests = digesting.finish(digested, self.shared);
        let decision = answer::decide(&digesting.variant, &self.context(&digesting.variant));
        self.answer(&digesting.variant, &decision, &digests)
    }

    /// A digest of the whole that is known, or made at once.
    fn known(&mut self, variant: &Variant, algorithm: DigestAlgorithm) -> Option<Digest> {
        let identity = &variant.file().identity;
        let coding = variant.coded_here();
        let known = self.shared.digests.get(identity, coding, algorithm);
        known.or_else(|| at_once(variant, algorithm, &(0..variant.len())))
    }

    fn wanted(&self, field: Field) -> Option<DigestAlgorithm> {
        let mut want = WantDigest::default();
        want.add_line(self.request.get(field)?);
        want.choose()
    }

    /// RFC 9110, section 10.1.4.
    fn takes_trailers(&self) -> bool {
        self.request.get(Field::Te).is_some_and(accepts_trailers)
    }

    fn answer(
        self,
        variant: &Variant,
        decision: &Decision,
        digests: &Digests,
    ) -> Response<FileRef> {
        let reads = self.request.method == Method::Get
            && matches!(decision, Decision::Full | Decision::Partial(_));
        if reads && variant.bytes().is_none() {
            self.shared.map(variant.file(), self.asker);
        }
        self.shared.repeat.pure = *decision == Decision::Full && digests.is_none();
        answer::file(variant, decision, digests, &self.context(variant))
    }

    fn context<'c>(&'c self, variant: &'c Variant) -> Context<'c> {
        Context {
            request: self.request,
            treatment: &variant.base.treatment,
            clock: &self.shared.clock,
            varies: variant.varies,
        }
    }

    fn waiter(&self, stage: Stage) -> Waiter {
        Waiter {
            asker: self.asker,
            stage,
            request: WaitingRequest::new(self.request),
        }
    }
}

impl Digesting {
    /// All digests of the answer; what was made is kept.
    pub(super) fn finish(&self, digested: Digested, shared: &mut Shared) -> Digests {
        let file = self.variant.file();
        let made = if is_unchanged(file, &shared.ring) {
            digested
        } else {
            Digested::default()
        };
        let of_content = made.content.filter(|_| made.whole);
        for digest in made.repr.into_iter().chain(of_content) {
            shared.digests.insert(
                &file.identity,
                self.variant.coded_here(),
                digest,
                made.read_at_secs,
            );
        }
        Digests {
            repr: self.digests.repr.or(made.repr),
            content: self.digests.content.or(made.content),
            trailer: None,
        }
    }

    /// Those that were promised for the end of the answer.
    pub(super) fn trailers(&self, digested: Digested, shared: &mut Shared) -> Digests {
        let all = self.finish(digested, shared);
        Digests {
            repr: all.repr.filter(|_| self.digests.repr.is_none()),
            content: all.content.filter(|_| self.digests.content.is_none()),
            trailer: None,
        }
    }
}

fn digests_of(variant: &Variant, to_digest: &ToDigest) -> Subject {
    let identity = variant.file().identity;
    Subject::Digested(identity, variant.coded_here(), to_digest.clone())
}

/// Whether another request for this file may get it coded. Whether it lies coded beside it is not looked at for those who
/// do not take that: by its type it may.
fn may_be_coded(base: &OpenFile) -> bool {
    is_coded_here(base) || base.compressible && base.treatment.precompressed
}

fn is_coded_here(base: &OpenFile) -> bool {
    base.treatment.compress && worth_coding(base.compressible, base.identity.len)
}

/// Of few bytes that are in memory.
fn at_once(variant: &Variant, algorithm: DigestAlgorithm, range: &Range<u64>) -> Option<Digest> {
    let bytes = variant.bytes()?;
    (range.end - range.start <= DIGEST_AT_ONCE_BYTES)
        .then(|| Hasher::digest(algorithm, &bytes[range.start as usize..range.end as usize]))
}

/// Whether a file is still the one that was opened: what was read of it in between is of that version.
fn is_unchanged(file: &OpenFile, ring: &Ring) -> bool {
    ring.stat(file.descriptor.as_fd())
        .is_ok_and(|stat| super::opened::identity(&stat) == file.identity)
}

/// The first `len` bytes of a file. Blocks.
fn read_all(file: &OwnedFd, len: u64, unwanted: &Unwanted) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(len).ok()?);
    read_range(file, 0..len, unwanted, |piece| {
        bytes.extend_from_slice(piece);
    })?;
    Some(bytes)
}

/// Blocks.
fn hash(
    file: &OwnedFd,
    algorithm: DigestAlgorithm,
    range: Range<u64>,
    unwanted: &Unwanted,
) -> Option<Digest> {
    let mut hasher = Hasher::new(algorithm);
    read_range(file, range, unwanted, |piece| hasher.update(piece))?;
    Some(hasher.finish())
}

/// Reads a range of a file piece by piece; `None` where it is not there as a whole, or nobody waits for it any more.
fn read_range(
    file: &OwnedFd,
    range: Range<u64>,
    unwanted: &Unwanted,
    mut take: impl FnMut(&[u8]),
) -> Option<()> {
    let mut buffer = vec![0; READ_AT_ONCE];
    let mut at = range.start;
    while at < range.end {
        let most = usize::try_from(range.end - at).map_or(READ_AT_ONCE, |n| n.min(READ_AT_ONCE));
        let n =
            rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut buffer[..most], at)).ok()?;
        if n == 0 || unwanted.is_said() {
            return None;
        }
        take(&buffer[..n]);
        at += n as u64;
    }
    Some(())
}
