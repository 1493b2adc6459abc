//! Files under the root.
