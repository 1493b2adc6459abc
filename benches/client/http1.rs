//! The same for HTTP/1.1: a client's bytes, and the core with its slot.

use std::rc::Rc;

use ringlane::files::FileRef;
use ringlane::h1::{Config, Connection, Event, RequestHead, Response, Scheme, Scratch};
use ringlane::slot::{Layout, Plan, Slot};

use super::{Agent, LARGE, SMALL};

/// Requests in one chunk, sent again and again: all for the same path from a load generator, else each for another.
pub(crate) fn chunk(agent: Agent, requests: usize) -> Vec<u8> {
    let request = |n: usize| match agent {
        Agent::H2load => request(agent, SMALL),
        Agent::Curl | Agent::Chromium => request(agent, &format!("{SMALL}?{n}")),
    };
    (0..requests).map(request).collect::<String>().into()
}

/// A request for the large file.
pub(crate) fn large() -> Vec<u8> {
    request(Agent::Curl, LARGE).into()
}

fn request(agent: Agent, path: &str) -> String {
    let field = |&(name, value): &(&str, &str)| {
        let name = name.replace(":authority", "Host");
        format!("{name}: {value}\r\n")
    };
    let fields: String = agent.fields().iter().map(field).collect();
    format!("GET {path} HTTP/1.1\r\n{fields}\r\n")
}

/// The HTTP/1.1 core with its slot.
pub(crate) struct Core {
    connection: Connection<FileRef>,
    scratch: Scratch,
    buffer: Vec<u8>,
    plan: Plan<FileRef>,
    layout: Layout,
    burst: usize,
}

impl Core {
    /// A new connection. A slot carries up to `burst` bytes.
    pub(crate) fn new(layout: Layout, burst: usize) -> Self {
        let buffer_bytes = if layout == Layout::Gathered {
            64 << 10
        } else {
            burst
        };
        Self {
            connection: Connection::new(Rc::new(Config::default()), Scheme::Http, 0),
            scratch: Scratch::default(),
            buffer: vec![0; buffer_bytes],
            plan: Plan::default(),
            layout,
            burst,
        }
    }

    /// Takes bytes and answers every request in them; how many there were.
    pub(crate) fn receive(
        &mut self,
        mut wire: &[u8],
        mut answer: impl FnMut(&RequestHead<'_>) -> Response<FileRef>,
    ) -> usize {
        let mut requests = 0;
        while let Some(Event::Request { stream, head, .. }) =
            self.connection
                .handle_bytes(1, &mut wire, &mut self.scratch)
        {
            let response = answer(&head);
            self.connection.respond(stream, response);
            requests += 1;
        }
        assert_eq!(self.connection.error(), None);
        requests
    }

    /// Fills one slot.
    pub(crate) fn fill(&mut self) -> &Plan<FileRef> {
        let mut slot = Slot::new(&mut self.buffer, &mut self.plan, self.layout, self.burst);
        self.connection.poll_transmit(2, &mut slot);
        slot.finish();
        &self.plan
    }

    /// Whether another slot would carry something.
    pub(crate) fn wants_transmit(&self) -> bool {
        self.connection.wants_transmit()
    }
}
