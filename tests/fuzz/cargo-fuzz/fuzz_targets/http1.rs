#![no_main]
#![allow(dead_code, reason = "one target of several")]

#[path = "../../targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::http1::target(data));
