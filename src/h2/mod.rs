//! STUB
#![allow(missing_docs, dead_code, clippy::all, unused)]
pub mod hpack;
use crate::slot::Slot;
use bytes::Bytes;
use std::rc::Rc;
pub type StreamId = u32;
#[derive(Default)]
pub struct Config;
#[derive(Default)]
pub struct Scratch;
pub struct Connection<F>(std::marker::PhantomData<F>);
#[derive(Clone, Copy)]
pub struct RequestHead<'a>(&'a [u8]);
impl<'a> RequestHead<'a> {
    pub fn method(&self) -> &'a [u8] {
        self.0
    }
    pub fn path(&self) -> &'a [u8] {
        self.0
    }
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        std::iter::empty()
    }
}
pub enum Event<'a> {
    Request {
        stream: StreamId,
        head: RequestHead<'a>,
        end_stream: bool,
    },
    Data {
        stream: StreamId,
        data: &'a [u8],
        end_stream: bool,
    },
    Reset {
        stream: StreamId,
    },
}
pub struct Response<F> {
    pub head: [Bytes; 2],
    pub body: Body<F>,
}
pub enum Body<F> {
    Empty,
    Bytes(Bytes),
    File { file: F, offset: u64, len: u64 },
}
impl<F: Clone> Connection<F> {
    pub fn new(c: Rc<Config>, n: u64) -> Self {
        todo!()
    }
    pub fn handle_bytes<'a, 'i: 'a>(
        &'a mut self,
        n: u64,
        i: &mut &'i [u8],
        s: &'a mut Scratch,
    ) -> Option<Event<'a>> {
        todo!()
    }
    pub fn respond(&mut self, s: StreamId, r: Response<F>) {}
    pub fn body_failed(&mut self, s: StreamId, u: usize) {}
    pub fn poll_transmit(&mut self, n: u64, s: &mut Slot<'_, F>) {}
    pub fn wants_transmit(&self) -> bool {
        true
    }
    pub fn shutdown(&mut self) {}
    pub fn is_done(&self) -> bool {
        true
    }
    pub fn open_streams(&self) -> usize {
        0
    }
}
