//! From a request and what its path led to, to a response: RFC 9110's decisions put into fields.

mod context;
mod file;
mod head;
mod refusal;
mod request;

pub(super) use context::Context;
pub(super) use file::{file, page};
pub(super) use head::{Clock, core_fields};
pub(super) use refusal::{bad_target, error, options, redirect, redirect_to_directory};
pub(super) use request::{Field, Request, Version, WaitingRequest};
