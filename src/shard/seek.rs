//! From a request's target to what answers it.
//!
//! 1. The target is resolved to a path, and the host and the path to a site and a directory.
//! 2. What the cache knows of the path is answered at once; what it does not know is asked for by a job, and the
//!    request goes on from there when it is done.
//! 3. What is not there may have something else in its place: for a directory its index files and then its listing;
//!    the page of an application; the page of an error.

use std::rc::Rc;

use super::answer::{self, Context, Field, Request, Variant, WaitingRequest};
use super::listings::Ready;
use super::open::Waiter;
use super::protocol::StreamId;
use super::represent::{Beside, Digesting, Representing};
use super::shared::{Product, Shared};
use crate::files::{FileRef, Found, Lookup, OpenFile};
use crate::http::{Accept, Coding, Method, target};
use crate::response::Response;
use crate::site::{CertificateId, SiteId, Treatment};
use crate::uring::Owner;

/// What a request waits for.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// What the target names.
    Path,
    /// A directory's index file: that of its names with this index.
    Index(usize),
    /// The listing of a directory.
    Listing,
    /// The page of an application, in place of what is not there.
    Fallback,
    /// The page of an error.
    Page(u16),
    /// A file beside the one that was found, which holds it coded.
    Beside(Box<Beside>),
    /// The file that was found, coded here.
    Coding {
        base: Rc<OpenFile>,
        coding: Coding,
        /// Its bytes began to be read then.
        read_at_secs: u64,
    },
    /// Digests that go with the answer.
    Digesting(Box<Digesting>),
    /// Digests that follow the content of the answer, which is on its way.
    Trailers(Box<Digesting>),
    /// Digests that are kept for another time.
    Aside(Box<Digesting>),
}

impl Stage {
    /// Whether what is waited for is of use to others when who asked is gone.
    pub(super) fn is_for_others(&self) -> bool {
        matches!(self, Self::Aside(_))
    }
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) connection: Owner,
    pub(super) stream: StreamId,
    /// Absent in the clear.
    pub(super) secured: Option<Secured>,
}

/// How a connection is secured: with the certificate that its client was shown for the host that it named, if it did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secured(pub(super) Option<CertificateId>);

/// What a job came to: what its path led to, or the status that says why it led nowhere.
pub(super) type Outcome = Result<Found, u16>;

/// Answers a request, if that can be done at once; else a job will, through [`resume`].
pub(super) fn begin(
    asker: Asker,
    request: &Request<'_>,
    shared: &mut Shared,
) -> Option<Response<FileRef>> {
    seek(asker, request, None, shared)
}

/// Goes on with a request whose file was opened, or could not be.
pub(super) fn resume(
    waiter: &Waiter,
    outcome: &Outcome,
    shared: &mut Shared,
) -> Option<Response<FileRef>> {
    let request = waiter.request.request();
    seek(
        waiter.asker,
        &request,
        Some((&waiter.stage, outcome)),
        shared,
    )
}

/// Goes on with a request whose file was coded, or of which digests were made.
pub(super) fn resume_with(
    waiter: &Waiter,
    product: Product,
    shared: &mut Shared,
) -> Option<Response<FileRef>> {
    let request = waiter.request.request();
    let (site, _) = route(&request, shared)?;
    let representing = Representing {
        asker: waiter.asker,
        request: &request,
        site,
        shared,
    };
    match (&waiter.stage, product) {
        (
            Stage::Coding {
                base,
                coding,
                read_at_secs,
            },
            Product::Coded(bytes),
        ) => representing.compressed(base, *coding, *read_at_secs, bytes),
        (Stage::Digesting(digesting), Product::Digested(digested)) => {
            Some(representing.digested(digesting, digested))
        }
        _ => None,
    }
}

/// Answers with the directory that was asked for.
pub(super) fn list(waiter: &Waiter, ready: &Ready, shared: &mut Shared) -> Response<FileRef> {
    let request = waiter.request.request();
    let treatment = match route(&request, shared) {
        Some((_, treatment)) => treatment,
        None => Rc::default(),
    };
    let context = Context {
        request: &request,
        treatment: &treatment,
        clock: &shared.clock,
        varies: false,
    };
    answer::listing(ready.format, &ready.etag, &context)
}

/// The site of a request that was routed before, and what the rules say of its path.
fn route(request: &Request<'_>, shared: &mut Shared) -> Option<(SiteId, Rc<Treatment>)> {
    let mut path = std::mem::take(&mut shared.path);
    let directory = target::resolve(request.target, &mut path).map(|target| target.directory);
    if directory == Ok(true) && !path.is_empty() {
        path.push(b'/');
    }
    let site = shared
        .sites
        .route(request.authority, &path)
        .map(|route| route.site);
    let routed = site.map(|site| (site, shared.treatment(site, &path)));
    shared.path = path;
    routed
}

fn seek(
    asker: Asker,
    request: &Request<'_>,
    given: Option<(&Stage, &Outcome)>,
    shared: &mut Shared,
) -> Option<Response<FileRef>> {
    let mut path = std::mem::take(&mut shared.path);
    let resolved = target::resolve(request.target, &mut path).map(|target| target.directory);
    let response = match resolved {
        Ok(directory) => {
            if directory && !path.is_empty() {
                path.push(b'/');
            }
            match route_for(asker, request, &path, shared) {
                Some(site) => Search {
                    asker,
                    request,
                    path: &path,
                    site,
                    shared,
                }
                .run(directory, given),
                None => Some(answer::error(421, &shared.plain(request))),
            }
        }
        // OPTIONS may ask about the server as a whole (RFC 9110, section 9.3.7).
        Err(_) if request.method == Method::Options && request.target == b"*" => {
            Some(answer::options(&shared.plain(request)))
        }
        Err(refused) => Some(answer::bad_target(refused, &shared.plain(request))),
    };
    shared.path = path;
    response
}

/// The site of a request; `None` for one that is not for any, or not for this connection (RFC 9110, section 7.4).
fn route_for(asker: Asker, request: &Request<'_>, path: &[u8], shared: &Shared) -> Option<SiteId> {
    let sites = &shared.sites;
    let misdirected = matches!(asker.secured, Some(Secured(Some(shown)))
        if sites.is_misdirected(shown, request.authority));
    if misdirected {
        return None;
    }
    sites.route(request.authority, path).map(|route| route.site)
}

struct Search<'a> {
    asker: Asker,
    request: &'a Request<'a>,
    /// The path of the target within the site, with a slash at its end where it names a directory.
    path: &'a [u8],
    site: SiteId,
    shared: &'a mut Shared,
}

/// What a step of a search leads to.
enum Step {
    Done(Response<FileRef>),
    Next(Stage),
    Found(Rc<OpenFile>),
    List,
}

impl<'a> Search<'a> {
    fn run(
        mut self,
        directory: bool,
        given: Option<(&Stage, &Outcome)>,
    ) -> Option<Response<FileRef>> {
        let mut step = match given {
            Some((Stage::Beside(beside), outcome)) => {
                return self.represent().opened((**beside).clone(), outcome);
            }
            Some((stage, outcome)) => self.conclude(stage, outcome),
            None => self.first(directory),
        };
        loop {
            let stage = match step {
                Step::Done(response) => return Some(response),
                Step::Found(file) => return self.represent().file(&file),
                Step::List => return self.list(),
                Step::Next(stage) => stage,
            };
            step = self.look(&stage)?;
        }
    }

    fn represent(self) -> Representing<'a> {
        Representing {
            asker: self.asker,
            request: self.request,
            site: self.site,
            shared: self.shared,
        }
    }

    /// What to look for first, or an answer that needs no file.
    fn first(&mut self, directory: bool) -> Step {
        match self.request.method {
            Method::Get | Method::Head if !directory => Step::Next(Stage::Path),
            Method::Get | Method::Head => self.refused().unwrap_or(Step::Next(Stage::Index(0))),
            Method::Options => {
                let treatment = self.treatment();
                Step::Done(answer::options(&self.context(&treatment)))
            }
            Method::Other => self.fail(405),
        }
    }

    /// What a rule says instead of looking for a file.
    fn refused(&mut self) -> Option<Step> {
        let treatment = self.treatment();
        if let Some(redirection) = &treatment.redirect {
            let context = self.context(&treatment);
            return Some(Step::Done(answer::redirect(redirection, &context)));
        }
        treatment.refused.then(|| self.fail(404))
    }

    /// Goes on with what is known of the path of a stage; `None` where that is not known and a job was begun.
    fn look(&mut self, stage: &Stage) -> Option<Step> {
        let mut key = std::mem::take(&mut self.shared.key);
        self.write_key(stage, &mut key);
        let looked = self.shared.files.lookup(&key, self.shared.now_ns);
        let step = match looked {
            Lookup::Hit(found) => Some(self.conclude(stage, &Ok(found))),
            Lookup::Open => {
                let refused = matches!(stage, Stage::Path).then(|| self.refused());
                refused.flatten().or_else(|| self.open(stage, &key))
            }
        };
        self.shared.key = key;
        step
    }

    /// Opens what is not known: `None` where that takes time and a job was begun.
    fn open(&mut self, stage: &Stage, key: &[u8]) -> Option<Step> {
        let rest = match self.shared.open_now(self.site, key, false) {
            Ok(outcome) => return Some(self.conclude(stage, &outcome)),
            Err(rest) => rest,
        };
        let waiter = Waiter {
            asker: self.asker,
            stage: stage.clone(),
            request: WaitingRequest::new(self.request),
        };
        self.shared.open(self.site, key, rest, waiter);
        None
    }

    /// The cache's key for what is looked for: the site, and the path within it.
    fn write_key(&mut self, stage: &Stage, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(&site_key(self.site));
        if matches!(stage, Stage::Path) {
            return key.extend_from_slice(self.path);
        }
        let treatment = self.treatment();
        match stage {
            Stage::Index(index) => {
                key.extend_from_slice(self.path);
                let name = treatment.index.get(*index);
                key.extend_from_slice(name.map_or(b"", |name| name.as_bytes()));
            }
            Stage::Fallback => {
                let page = treatment.fallback.as_ref();
                key.extend_from_slice(page.map_or(b"", |page| page.as_bytes()));
            }
            Stage::Page(status) => {
                let page = treatment.error_pages.get(*status);
                key.extend_from_slice(page.map_or(b"", |page| page.as_bytes()));
            }
            // What is known by its path, and what has none.
            _ => {}
        }
    }

    fn conclude(&mut self, stage: &Stage, outcome: &Outcome) -> Step {
        match (stage, outcome) {
            (Stage::Page(status), Ok(Found::File(file))) => {
                let treatment = self.treatment();
                self.shared.map(file, self.asker);
                let variant = Variant::plain(Rc::clone(file), false);
                let context = self.context(&treatment);
                Step::Done(answer::page(*status, &variant, &context))
            }
            (Stage::Path, outcome) => self.conclude_path(outcome),
            (_, Ok(Found::File(file))) => Step::Found(Rc::clone(file)),
            (Stage::Index(index), Ok(Found::Directory | Found::Nothing) | Err(404)) => {
                if index + 1 < self.treatment().index.len() {
                    Step::Next(Stage::Index(index + 1))
                } else if self.treatment().listing {
                    Step::List
                } else {
                    self.missing()
                }
            }
            (Stage::Listing, Ok(Found::Nothing) | Err(404)) => self.missing(),
            (Stage::Index(_) | Stage::Listing | Stage::Fallback, Err(status)) => self.fail(*status),
            (Stage::Page(status), _) => {
                let treatment = self.treatment();
                Step::Done(answer::error(*status, &self.context(&treatment)))
            }
            (Stage::Coding { .. } | Stage::Digesting(_), Err(status)) => self.fail(*status),
            // The page that was to stand in for what is missing is missing itself.
            _ => self.fail(404),
        }
    }

    /// What the target names may be known from a request that came to it by another path: as an index file, or beside
    /// another file. What the rules say of its own path is then looked at now.
    fn conclude_path(&mut self, outcome: &Outcome) -> Step {
        if let Ok(Found::File(file)) = outcome
            && !file.treatment.refused
            && file.treatment.redirect.is_none()
        {
            return Step::Found(Rc::clone(file));
        }
        if let Some(step) = self.refused() {
            return step;
        }
        match outcome {
            Ok(Found::File(file)) => Step::Found(Rc::clone(file)),
            Ok(Found::Directory) => {
                let treatment = self.treatment();
                let context = self.context(&treatment);
                Step::Done(answer::redirect_to_directory(self.path, &context))
            }
            Ok(Found::Nothing) | Err(404) => self.missing(),
            Err(status) => self.fail(*status),
        }
    }

    /// Has the directory read; its listing is the answer.
    fn list(&mut self) -> Option<Response<FileRef>> {
        let treatment = self.treatment();
        let waiter = Waiter {
            asker: self.asker,
            stage: Stage::Listing,
            request: WaitingRequest::new(self.request),
        };
        let begun = self.shared.list(self.site, self.path, &treatment, waiter);
        (!begun).then(|| answer::error(503, &self.context(&treatment)))
    }

    fn missing(&mut self) -> Step {
        if self.treatment().fallback.is_none() {
            return self.fail(404);
        }
        self.request.by_accept.set(true);
        if Accept::of(self.request.get(Field::Accept)).accepts_html() {
            Step::Next(Stage::Fallback)
        } else {
            self.fail(404)
        }
    }

    fn fail(&mut self, status: u16) -> Step {
        let treatment = self.treatment();
        match treatment.error_pages.get(status) {
            Some(_) => Step::Next(Stage::Page(status)),
            None => Step::Done(answer::error(status, &self.context(&treatment))),
        }
    }

    /// What the rules say of the target's path.
    fn treatment(&mut self) -> Rc<Treatment> {
        self.shared.treatment(self.site, self.path)
    }

    fn context<'c>(&'c self, treatment: &'c Treatment) -> Context<'c> {
        Context {
            request: self.request,
            treatment,
            clock: &self.shared.clock,
            varies: false,
        }
    }
}

/// Bytes before the path in a key of the caches.
pub(super) const SITE_KEY_BYTES: usize = 2;

/// These bytes: the site.
pub(super) fn site_key(site: SiteId) -> [u8; SITE_KEY_BYTES] {
    // An id is made of 16 bits.
    (site.index() as u16).to_be_bytes()
}
