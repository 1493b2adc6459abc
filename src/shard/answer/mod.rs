//! From a request and what its path led to, to a response: RFC 9110's decisions put into fields.

mod context;
mod file;
mod head;
mod listing;
mod refusal;
mod request;
mod variant;

pub(super) use context::Context;
pub(super) use file::{Digests, decide, file, page, trailers};
pub(super) use head::{Clock, core_fields};
pub(super) use listing::listing;
pub(super) use refusal::{bad_target, error, options, redirect, redirect_to_directory};
pub(super) use request::{Field, Request, Version, WaitingRequest};
pub(super) use variant::Variant;
