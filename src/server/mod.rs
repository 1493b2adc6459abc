//! Starts and stops the shards.
