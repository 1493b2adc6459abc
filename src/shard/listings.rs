//! Directory listings: read off the loop, then written piece by piece as the connection takes them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use rustix::fs::ResolveFlags;
use rustix::io::Errno;

use super::answer::{Field, Request};
use super::offload::Lane;
use super::open::Waiter;
use super::opened::status;
use super::protocol::{Protocol, StreamId};
use super::shared::{Product, Shared, Subject};
use crate::http::{Accept, EntityTag, ListingType};
use crate::listing::{self, CHUNK_BYTES, Directory, Format, Listing, Pieces, Policy, Query};
use crate::response::{End, Segment};
use crate::site::{SiteId, Symlinks, Treatment};
use crate::uring::Opener;

/// Bytes of memory that the listings of a shard take together that are being sent. Stops: many who ask for a large
/// directory and do not read, each of whom holds all of its entries.
const MAX_HELD_BYTES: usize = 128 << 20;

/// The listings that are being sent, as far as they count: those that take more than the piece that is written ahead of
/// them.
#[derive(Debug)]
pub(super) struct Held {
    listings: Vec<Weak<Listing>>,
    pub(super) most: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            listings: Vec::new(),
            most: MAX_HELD_BYTES,
        }
    }
}

impl Held {
    /// Whether a listing may be sent: there is room for it, as for a single one there always is, or it is sent to another
    /// already.
    pub(super) fn take(&mut self, listing: &Arc<Listing>) -> bool {
        let bytes = listing.bytes_held();
        if bytes <= CHUNK_BYTES {
            return true;
        }
        self.listings.retain(|other| other.strong_count() > 0);
        let mut before = 0;
        for other in self.listings.iter().filter_map(Weak::upgrade) {
            if Arc::ptr_eq(&other, listing) {
                return true;
            }
            before += other.bytes_held();
        }
        if before > 0 && before + bytes > self.most {
            return false;
        }
        self.listings.push(Arc::downgrade(listing));
        true
    }
}

/// A directory that was read, for all who wait for it.
#[derive(Clone)]
pub(super) struct Ready {
    pub(super) listing: Arc<Listing>,
    pub(super) format: Format,
    pub(super) etag: EntityTag,
}

/// What comes of reading a directory: its listing, or the status that says why there is none.
pub(super) type Listed = Result<Ready, u16>;

/// A listing that is being sent.
pub(super) struct Sending {
    pub(super) stream: StreamId,
    pub(super) pieces: Pieces<Arc<Listing>>,
}

impl Sending {
    /// Keeps a piece ahead of what the core has framed; whether there is more to come.
    pub(super) fn supply(&mut self, protocol: &mut Protocol) -> bool {
        while let Some(buffered) = protocol.buffered(self.stream) {
            if buffered >= CHUNK_BYTES as u64 {
                return true;
            }
            match self.pieces.next() {
                Some(piece) => protocol.append(self.stream, Segment::Bytes(piece)),
                None => protocol.finish(self.stream, End::Done),
            }
        }
        // The stream is gone, or its end is known.
        false
    }
}

/// The form in which a request wants a directory listed.
fn format(request: &Request<'_>) -> Format {
    let mut accept = Accept::default();
    if let Some(value) = request.get(Field::Accept) {
        accept.add_line(value);
    }
    match accept.listing_type() {
        ListingType::Html => Format::Html,
        ListingType::Json => Format::Json,
    }
}

impl Shared {
    /// Has the directory at `path` of a site read; or says `false`: too much is being done already. Who asks while it is
    /// being read gets that, which may lack what came into it since.
    pub(super) fn list(
        &mut self,
        site: SiteId,
        path: &[u8],
        treatment: &Treatment,
        waiter: Waiter,
    ) -> bool {
        let request = waiter.request.request();
        let query = Query::parse(request.query().unwrap_or_default());
        let format = format(&request);
        let subject = Subject::Listed(site, path.into(), query, format);
        if let Some(waiters) = self.offload.waiters(&subject) {
            waiters.push(waiter);
            self.begun_opening += 1;
            return true;
        }
        let route = self.sites.locate(site, path);
        let symlinks = self.sites.mounts()[route.mount.index()].symlinks;
        let (roots, mount) = (self.roots.given(), route.mount.index());
        let trim = |path: &[u8]| Box::<[u8]>::from(path.strip_suffix(b"/").unwrap_or(path));
        let (shown, rest) = (trim(path), trim(route.rest));
        let policy = Policy {
            hidden: treatment.hidden,
            symlinks: match symlinks {
                Symlinks::Beneath => listing::Symlinks::Beneath,
                Symlinks::None => listing::Symlinks::None,
                Symlinks::All => listing::Symlinks::All,
            },
        };
        let begun = self.offload.begin(Lane::Short, subject, waiter, move |_| {
            Product::Listed(read(&roots[mount], &rest, symlinks, policy).map(|entries| {
                let listing = Listing::new(&shown, entries, query, format);
                Ready {
                    etag: listing.etag(),
                    format,
                    listing: listing.into(),
                }
            }))
        });
        self.begun_opening += u32::from(begun);
        begun
    }
}

/// Opens a directory as files are opened, and reads it. Blocks.
fn read(
    root: &OwnedFd,
    path: &[u8],
    symlinks: Symlinks,
    policy: Policy,
) -> Result<listing::Entries, u16> {
    let resolve = match symlinks {
        Symlinks::Beneath => ResolveFlags::BENEATH,
        Symlinks::None => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        Symlinks::All => ResolveFlags::empty(),
    };
    let mut opener = Opener::default();
    let mut open = |base: BorrowedFd<'_>, path: &[u8], resolve| opener.open(base, path, resolve);
    let path_or_root = if path.is_empty() { b"." } else { path };
    let resolve = resolve | ResolveFlags::NO_MAGICLINKS;
    let opened = rustix::io::retry_on_intr(|| open(root.as_fd(), path_or_root, resolve));
    let descriptor = opened.map_err(status)?;
    let directory = Directory {
        descriptor: descriptor.as_fd(),
        root: root.as_fd(),
        path,
    };
    listing::read(directory, policy, &mut open)
        .map_err(|error| Errno::from_io_error(&error).map_or(500, status))
}
