//! Which connections a worker has, when one may be asked for, and when there is no hope of any: pure, with the time as
//! an argument.

use super::connection::Stage;

/// Connections that one worker has under way at once: a listener's queue takes some hundreds.
const MAX_CONNECTING: usize = 128;
/// How long a failed attempt to connect is followed by none: first, and at most. It doubles.
const BACKOFF_NS: u64 = 10_000_000;
const MAX_BACKOFF_NS: u64 = 1_000_000_000;
/// How long a server that never took a connection is tried, and how long load waits for connections that keep failing.
const PATIENCE_NS: u64 = 1_000_000_000;

/// The connections of one worker.
#[derive(Debug)]
pub(super) struct Dialling {
    /// Connections under way, those that take requests, and those that take no more.
    connecting: usize,
    open: usize,
    draining: usize,
    /// Those that take requests and on which a response came.
    serving: usize,
    /// Attempts that failed, and connections that take no more requests or have ended.
    ended: u64,
    /// Whether descriptors ran out: further attempts are no use.
    scarce: bool,
    began_ns: u64,
    /// When a connection was last there that was good for something.
    alive_ns: u64,
    /// No attempt before this.
    from_ns: u64,
    /// How long the last pause is, 0 since a response came on a new connection.
    backoff_ns: u64,
    ever_open: bool,
}

impl Dialling {
    pub(super) fn new(now_ns: u64) -> Self {
        Self {
            connecting: 0,
            open: 0,
            draining: 0,
            serving: 0,
            ended: 0,
            scarce: false,
            began_ns: now_ns,
            alive_ns: now_ns,
            from_ns: 0,
            backoff_ns: 0,
            ever_open: false,
        }
    }

    /// Established connections.
    pub(super) fn established(&self) -> usize {
        self.open + self.draining
    }

    /// Connections that will take requests, if those under way succeed.
    pub(super) fn coming(&self) -> usize {
        self.open + self.connecting
    }

    /// Whether one is missing of so many, and no more are under way than a listener's queue takes. Those that take no
    /// more requests are replaced, but a server that drains each as it comes gets no more than twice as many.
    pub(super) fn is_short(&self, wanted: usize) -> bool {
        self.coming() < wanted
            && self.connecting < MAX_CONNECTING
            && self.coming() + self.draining < 2 * wanted
    }

    /// Whether one may be asked for.
    pub(super) fn may_dial(&self, now_ns: u64) -> bool {
        now_ns >= self.from_ns
    }

    /// One was asked for.
    pub(super) fn asked(&mut self) {
        self.connecting += 1;
    }

    /// None could be asked for. `scarce`: as there are no more descriptors.
    pub(super) fn refused(&mut self, scarce: bool, now_ns: u64) {
        self.ended += 1;
        self.scarce |= scarce;
        self.back_off(now_ns);
    }

    /// The first response came on a connection that was at this stage.
    pub(super) fn answered(&mut self, stage: Stage, now_ns: u64) {
        self.alive_ns = now_ns;
        self.serving += usize::from(stage != Stage::Draining);
        self.backoff_ns = 0;
    }

    /// A connection has gone from one stage to another. `answered`: a response has come on it. `given_up`: it is this
    /// side that had enough of it.
    pub(super) fn moved(
        &mut self,
        (before, after): (Stage, Stage),
        answered: bool,
        given_up: bool,
        now_ns: u64,
    ) {
        match before {
            Stage::Connecting => self.connecting -= 1,
            Stage::Open => {
                self.open -= 1;
                self.serving -= usize::from(answered);
            }
            Stage::Draining => self.draining -= 1,
            Stage::Closing => {}
        }
        match after {
            Stage::Connecting => self.connecting += 1,
            Stage::Open => {
                self.open += 1;
                self.ever_open = true;
            }
            Stage::Draining => self.draining += 1,
            Stage::Closing => {}
        }
        let took_requests = before != Stage::Draining;
        if took_requests && matches!(after, Stage::Draining | Stage::Closing) {
            self.ended += 1;
            if !answered && !given_up {
                self.back_off(now_ns);
            }
        }
    }

    /// Attempts that fail together are followed by one pause.
    fn back_off(&mut self, now_ns: u64) {
        if now_ns >= self.from_ns {
            self.backoff_ns = (self.backoff_ns * 2).clamp(BACKOFF_NS, MAX_BACKOFF_NS);
            self.from_ns = now_ns + self.backoff_ns;
        }
    }

    /// Whether attempts fail, or connections end without a response, and nothing else was heard since.
    fn is_failing(&self) -> bool {
        self.backoff_ns > 0
    }

    /// Whether there is a connection that takes requests and on which a response came.
    pub(super) fn is_serving(&self) -> bool {
        self.serving > 0
    }

    /// Looks whether there is a connection that is good for something: one that ends without a response is not.
    /// `anywhere`: another worker may have one.
    pub(super) fn look(&mut self, anywhere: bool, now_ns: u64) {
        if anywhere || self.is_serving() || (self.established() > 0 && !self.is_failing()) {
            self.alive_ns = now_ns;
        }
    }

    /// Whether `wanted` connections are there, or were tried.
    pub(super) fn is_settled(&self, wanted: u32, now_ns: u64) -> bool {
        let tried = self.open as u64 + self.ended;
        let waited = self.is_failing() && now_ns.saturating_sub(self.began_ns) >= PATIENCE_NS;
        self.connecting == 0 && (tried >= u64::from(wanted) || waited || self.scarce)
    }

    /// Whether there is no connection, and more than one attempt in a row failed: one alone may be chance.
    pub(super) fn is_lost(&self) -> bool {
        self.established() == 0 && self.backoff_ns > BACKOFF_NS
    }

    /// Whether there is no hope of a connection: there never was one, or none for the timeout.
    pub(super) fn is_hopeless(&self, now_ns: u64, timeout_ns: u64) -> bool {
        let alone_ns = now_ns.saturating_sub(self.alive_ns);
        let never = !self.ever_open && self.connecting == 0 && alone_ns >= PATIENCE_NS;
        self.established() == 0 && self.is_failing() && (never || alone_ns >= timeout_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const TIMEOUT_NS: u64 = 30_000 * MS;

    fn opened(dialling: &mut Dialling) {
        dialling.asked();
        dialling.moved((Stage::Connecting, Stage::Open), false, false, 0);
    }

    fn ended(dialling: &mut Dialling, answered: bool, now_ns: u64) {
        dialling.moved((Stage::Open, Stage::Closing), answered, false, now_ns);
    }

    #[test]
    fn connections_that_end_at_once_were_tried() {
        let mut dialling = Dialling::new(0);
        for tried in 0..3 {
            assert!(!dialling.is_settled(3, 0), "{tried}");
            opened(&mut dialling);
            assert!(!dialling.is_settled(3, 0) || tried == 2);
            ended(&mut dialling, false, 0);
        }
        assert!(dialling.is_settled(3, 0));
        dialling.asked();
        assert!(!dialling.is_settled(3, 0), "one is under way");
    }

    #[test]
    fn load_does_not_wait_for_ever_for_connections_that_fail() {
        let mut dialling = Dialling::new(0);
        assert!(
            !dialling.is_settled(1_000, 2 * PATIENCE_NS),
            "none was tried"
        );
        dialling.refused(false, 0);
        assert!(!dialling.is_settled(1_000, PATIENCE_NS - 1));
        assert!(dialling.is_settled(1_000, PATIENCE_NS));
    }

    #[test]
    fn without_descriptors_load_begins_with_what_there_is() {
        let mut dialling = Dialling::new(0);
        opened(&mut dialling);
        dialling.refused(true, 0);
        assert!(dialling.is_settled(1_000, 0));
    }

    #[test]
    fn only_a_response_ends_the_pauses() {
        let mut dialling = Dialling::new(0);
        let mut now_ns = 0;
        for pause_ms in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
            // Two that fail together make one pause.
            for _ in 0..2 {
                opened(&mut dialling);
            }
            for _ in 0..2 {
                ended(&mut dialling, false, now_ns);
            }
            assert!(!dialling.may_dial(now_ns + pause_ms * MS - 1), "{pause_ms}");
            now_ns += pause_ms * MS;
            assert!(dialling.may_dial(now_ns), "{pause_ms}");
        }
        opened(&mut dialling);
        dialling.answered(Stage::Open, now_ns);
        ended(&mut dialling, true, now_ns);
        assert!(dialling.may_dial(now_ns));
        assert_eq!((dialling.coming(), dialling.serving), (0, 0));
    }

    #[test]
    fn a_server_that_only_takes_connections_is_gone_too() {
        let mut dialling = Dialling::new(0);
        let mut now_ns = 0;
        while now_ns < TIMEOUT_NS {
            assert!(!dialling.is_hopeless(now_ns, TIMEOUT_NS), "{now_ns}");
            opened(&mut dialling);
            dialling.look(false, now_ns);
            ended(&mut dialling, false, now_ns);
            now_ns += MAX_BACKOFF_NS;
        }
        assert!(dialling.is_hopeless(now_ns, TIMEOUT_NS));
        // It serves another worker.
        dialling.look(true, now_ns);
        assert!(!dialling.is_hopeless(now_ns, TIMEOUT_NS));
        // One that answered meanwhile is not.
        opened(&mut dialling);
        dialling.answered(Stage::Open, now_ns);
        ended(&mut dialling, true, now_ns);
        assert!(!dialling.is_hopeless(now_ns, TIMEOUT_NS));
        dialling.refused(false, now_ns);
        assert!(!dialling.is_hopeless(now_ns + TIMEOUT_NS - 1, TIMEOUT_NS));
        assert!(dialling.is_hopeless(now_ns + TIMEOUT_NS, TIMEOUT_NS));
    }

    #[test]
    fn what_fails_again_is_lost() {
        let mut dialling = Dialling::new(0);
        opened(&mut dialling);
        dialling.answered(Stage::Open, 0);
        ended(&mut dialling, true, 0);
        assert!(!dialling.is_lost(), "none was tried since");
        dialling.refused(false, 0);
        assert!(!dialling.is_lost());
        dialling.refused(false, BACKOFF_NS);
        assert!(dialling.is_lost());
        opened(&mut dialling);
        assert!(!dialling.is_lost());
    }

    #[test]
    fn a_connection_that_takes_no_more_requests_is_replaced() {
        let mut dialling = Dialling::new(0);
        assert!(dialling.is_short(1));
        opened(&mut dialling);
        dialling.answered(Stage::Open, 0);
        assert!(!dialling.is_short(1));
        dialling.moved((Stage::Open, Stage::Draining), true, false, 0);
        assert!(dialling.is_short(1) && dialling.may_dial(0));
        opened(&mut dialling);
        assert!(!dialling.is_short(1));
        // The next that drains waits for one of them.
        dialling.moved((Stage::Open, Stage::Draining), false, false, 0);
        assert!(!dialling.is_short(1));
        dialling.answered(Stage::Draining, 0);
        dialling.moved((Stage::Draining, Stage::Closing), true, false, 0);
        assert!(dialling.is_short(1));
        assert_eq!((dialling.established(), dialling.serving), (1, 0));
    }

    #[test]
    fn a_connection_that_this_side_gave_up_is_no_failure() {
        let mut dialling = Dialling::new(0);
        opened(&mut dialling);
        dialling.moved((Stage::Open, Stage::Closing), false, true, 0);
        assert!(dialling.may_dial(0) && !dialling.is_hopeless(u64::MAX, TIMEOUT_NS));
    }

    #[test]
    fn who_never_takes_a_connection_is_not_tried_for_long() {
        let mut dialling = Dialling::new(0);
        dialling.refused(false, 0);
        assert!(!dialling.is_hopeless(PATIENCE_NS - 1, TIMEOUT_NS));
        assert!(dialling.is_hopeless(PATIENCE_NS, TIMEOUT_NS));
    }
}
