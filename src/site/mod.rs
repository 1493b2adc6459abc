//! Sites and rules: which directory a request leads to, and how what lies there is treated.
//!
//! Pure, like [`http`](crate::http): no I/O, no clock, nothing of a protocol. [`Sites`] is built once from what the
//! configuration says and never changes; every shard has a copy of its own. What a request goes through:
//!
//! 1. [`Sites::is_misdirected`], over TLS: was the connection's certificate for this host at all (RFC 9110,
//!    section 7.4)?
//! 2. [`Sites::route`]: the site by the host, the mount by the longest prefix, and the path beneath it.
//! 3. [`Sites::treatment`]: what the rules say of this path. It is the same for every request for the path, so it is
//!    made once and kept with what is remembered of the file.
//! 4. Per request: [`Cors::answer`], [`Redirection::location`], [`Fields::for_answer`], [`ErrorPages::get`],
//!    [`Accept::accepts_html`](crate::http::Accept::accepts_html) for the fallback.

mod cors;
mod error_page;
mod fields;
mod glob;
mod host;
mod path;
mod redirect;
mod rule;
mod sites;

pub use cors::{Cors, CorsAnswer, CorsRequest, ExposedName, Origin, OriginError, Origins};
pub use error_page::{ErrorPages, StatusError, StatusPattern};
pub use fields::{Carries, FieldError, FieldName, FieldValue, Fields};
pub use glob::{GlobError, PathGlob};
pub use host::{HostError, HostPattern};
pub use path::{IndexName, MountPrefix, PathError, SitePath, is_hidden};
pub(crate) use redirect::NOT_IN_PATH;
pub use redirect::{Redirect, RedirectError, RedirectStatus, RedirectTarget, Redirection};
pub use rule::{Defaults, Rule, Settings, Switch, Treatment};
pub use sites::{
    Builder, CertificateId, Mount, MountId, Route, SiteId, Sites, SitesError, Symlinks,
    SymlinksError,
};
