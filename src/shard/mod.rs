//! One pinned core.
