//! The shards from their start to their end: ready, serving, draining, stopped.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::meter::Meter;
use super::signals::Request;
use super::{ServerError, Tls, notify, say};
use crate::config::Config;
use crate::shard::{Handle, Report};

/// How long a shard may take to get ready; it takes milliseconds unless the machine is out of memory.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a shard may take to end at once; shorter where a test waits for it.
const STOP_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5000 });

/// What the end takes beside waiting for the shards.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// A second signal so soon after the first is the same one said twice: coreutils' `timeout` signals its child and then
/// its own process group, a millisecond apart.
const SAME_SIGNAL: Duration = Duration::from_millis(500);

/// What is asked of a shard, so that tests can stand in for one.
pub(super) trait Control {
    fn drain(&self);
    fn stop(&self);
    fn snapshot(&self);
    fn renew_roots(&self);
    fn join(self) -> std::io::Result<()>;
}

impl Control for Handle {
    fn drain(&self) {
        Handle::drain(self);
    }

    fn stop(&self) {
        Handle::stop(self);
    }

    fn snapshot(&self) {
        Handle::snapshot(self);
    }

    fn renew_roots(&self) {
        Handle::renew_roots(self);
    }

    fn join(self) -> std::io::Result<()> {
        Handle::join(self)
    }
}

/// What wakes the main thread.
#[derive(Debug)]
pub(super) enum Event {
    /// A shard said something.
    Shard(Report),
    /// No shard is left that could say anything.
    ShardsGone,
    /// A served folder was replaced.
    OtherRoots,
    /// A signal came.
    Signal(Request),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Serving,
    Draining { since: Instant, until: Instant },
    Stopping { until: Instant },
}

struct Member<H> {
    number: usize,
    handle: H,
    ready: bool,
    ended: bool,
    asked: bool,
}

/// The running shards and what is known of them.
pub(super) struct Lifecycle<'a, H> {
    config: &'a Config,
    inbox: Receiver<Event>,
    tls: Option<&'a Tls>,
    shards: Vec<Member<H>>,
    phase: Phase,
    meter: Meter,
    next_report: Option<Instant>,
    failure: Option<ServerError>,
}

impl<'a, H: Control> Lifecycle<'a, H> {
    pub(super) fn new(config: &'a Config, inbox: Receiver<Event>, tls: Option<&'a Tls>) -> Self {
        let now = Instant::now();
        Self {
            config,
            inbox,
            tls,
            shards: Vec::new(),
            phase: Phase::Serving,
            meter: Meter::new(config.cores().len(), now),
            next_report: None,
            failure: None,
        }
    }

    /// Takes charge of a shard; they come in the order of their numbers.
    pub(super) fn add(&mut self, handle: H) {
        self.shards.push(Member {
            number: self.shards.len(),
            handle,
            ready: false,
            ended: false,
            asked: false,
        });
    }

    /// Ends the shards that were started when another could not be.
    pub(super) fn abandon(mut self) {
        self.stop();
        self.wait_until_ended();
    }

    /// Waits until every shard accepts connections. False when a signal came first: then [`run`](Self::run) ends it.
    pub(super) fn wait_until_ready(&mut self) -> Result<bool, ServerError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        while let Some(waiting) = self.shards.iter().position(|shard| !shard.ready) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(left) {
                Ok(event) => self.handle(event, Instant::now()),
                Err(_) => {
                    self.fail(ServerError::NotReady {
                        shard: waiting,
                        waited: READY_TIMEOUT,
                    });
                }
            }
            if self.failure.is_some() {
                self.stop();
                self.wait_until_ended();
                self.join_ended();
                return self.result().map(|()| false);
            }
            if !matches!(self.phase, Phase::Serving) {
                return Ok(false);
            }
        }
        let now = Instant::now();
        self.meter = Meter::new(self.shards.len(), now);
        self.next_report = self.config.report().map(|interval| now + interval);
        Ok(true)
    }

    /// Serves until told to end, then ends the shards.
    pub(super) fn run(mut self) -> Result<(), ServerError> {
        self.wait_until_ended();
        if self.config.report().is_some() {
            let total = self.meter.total_line(Instant::now());
            say(&format!("{total}\n{}", self.meter.shard_lines()));
        }
        self.join_ended();
        self.result()
    }

    fn join_ended(&mut self) {
        for shard in self.shards.drain(..) {
            if shard.ended
                && let Err(error) = shard.handle.join()
            {
                tracing::error!("shard {} did not end well: {error}", shard.number);
            }
        }
    }

    fn result(&mut self) -> Result<(), ServerError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn wait_until_ended(&mut self) {
        while self.shards.iter().any(|shard| !shard.ended) {
            let limit = match self.phase {
                Phase::Serving => None,
                Phase::Draining { until, .. } | Phase::Stopping { until } => Some(until),
            };
            let event = match limit.into_iter().chain(self.next_report).min() {
                None => self
                    .inbox
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self
                    .inbox
                    .recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(event) => self.handle(event, Instant::now()),
                Err(RecvTimeoutError::Timeout) => self.tick(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => {
                    self.handle(Event::ShardsGone, Instant::now());
                }
            }
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Shard(Report::Ready { shard }) => {
                if let Some(member) = self.shards.get_mut(shard) {
                    member.ready = true;
                }
            }
            Event::Shard(Report::Failed { shard, error }) => {
                self.mark_ended(shard);
                self.fail(ServerError::Shard { shard, error });
            }
            Event::Shard(Report::Interval(snapshot)) => {
                self.meter.record(&snapshot);
                if let Some(member) = self.shards.get_mut(snapshot.shard)
                    && std::mem::take(&mut member.asked)
                    && !self.shards.iter().any(|shard| shard.asked)
                {
                    self.print_interval();
                }
            }
            Event::Shard(Report::Final(snapshot)) => {
                self.meter.record(&snapshot);
                self.mark_ended(snapshot.shard);
                if matches!(self.phase, Phase::Serving) {
                    self.fail(ServerError::Ended {
                        shard: snapshot.shard,
                    });
                }
            }
            Event::ShardsGone => {
                if self.shards.iter().any(|shard| !shard.ended) {
                    self.shards.iter_mut().for_each(|shard| shard.ended = true);
                    self.fail(ServerError::Gone);
                }
            }
            Event::OtherRoots => {
                for shard in self.shards.iter().filter(|shard| !shard.ended) {
                    shard.handle.renew_roots();
                }
            }
            Event::Signal(Request::Reload) => match self.tls {
                Some(tls) => tls.reload(),
                None => tracing::info!("SIGHUP: there is no certificate to read again"),
            },
            Event::Signal(Request::End) => match self.phase {
                Phase::Serving => self.drain(now),
                Phase::Draining { since, .. } if now < since + SAME_SIGNAL => {}
                Phase::Draining { .. } => {
                    tracing::info!("a second signal: ending at once");
                    self.stop();
                }
                Phase::Stopping { .. } => {}
            },
        }
    }

    fn tick(&mut self, now: Instant) {
        match self.phase {
            Phase::Draining { until, .. } if until <= now => {
                tracing::warn!(
                    "what is in flight did not finish within {} seconds: ending at once",
                    self.config.drain_timeout().as_secs()
                );
                self.stop();
            }
            Phase::Stopping { until } if until <= now => {
                let stuck = self.shards.iter().filter(|shard| !shard.ended).count();
                self.fail(ServerError::Stuck {
                    count: stuck,
                    waited: STOP_TIMEOUT,
                });
                // Not joined: the process takes them with it.
                self.shards.retain(|shard| shard.ended);
            }
            _ => {}
        }
        if let (Some(at), Some(interval)) = (self.next_report, self.config.report())
            && at <= now
        {
            if self.shards.iter().any(|shard| shard.asked) {
                // One of them is late by a whole interval: the line goes without it.
                self.print_interval();
            }
            for shard in self.shards.iter_mut().filter(|shard| !shard.ended) {
                shard.asked = true;
                shard.handle.snapshot();
            }
            // After a time without running (a suspended machine) the missed lines are left out.
            let next = at + interval;
            self.next_report = Some(if next <= now { now + interval } else { next });
        }
    }

    fn drain(&mut self, now: Instant) {
        tracing::info!(
            "ending: what is in flight has {} seconds, a second signal ends at once",
            self.config.drain_timeout().as_secs()
        );
        // systemd may allow less than that to a service that does not ask (TimeoutStopSec=).
        let most = self.config.drain_timeout() + STOP_TIMEOUT + STOP_MARGIN;
        let extended = format!("EXTEND_TIMEOUT_USEC={}", most.as_micros());
        notify(&[
            NotifyState::Stopping,
            NotifyState::Status("finishing what is in flight"),
            NotifyState::Custom(&extended),
        ]);
        self.phase = Phase::Draining {
            since: now,
            until: now + self.config.drain_timeout(),
        };
        for shard in self.shards.iter().filter(|shard| !shard.ended) {
            shard.handle.drain();
        }
    }

    fn stop(&mut self) {
        self.phase = Phase::Stopping {
            until: Instant::now() + STOP_TIMEOUT,
        };
        for shard in self.shards.iter().filter(|shard| !shard.ended) {
            shard.handle.stop();
        }
    }

    /// Keeps the first failure for the end, and lets the other shards finish: what serves on fewer cores than it was
    /// asked to had better be started again.
    fn fail(&mut self, error: ServerError) {
        let others_run = self.shards.iter().any(|shard| !shard.ended);
        match &self.failure {
            // The last line of the process says it, but that may be a whole drain away.
            None if others_run => tracing::error!("{error}; the other shards end too"),
            None => {}
            Some(_) => tracing::error!("{error}"),
        }
        self.failure.get_or_insert(error);
        if matches!(self.phase, Phase::Serving) {
            self.drain(Instant::now());
        }
    }

    fn mark_ended(&mut self, shard: usize) {
        if let Some(member) = self.shards.get_mut(shard) {
            member.ended = true;
            member.asked = false;
        }
    }

    fn print_interval(&mut self) {
        say(&format!("{}\n", self.meter.interval_line(Instant::now())));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::File;
    use crate::shard::Snapshot;
    use hdrhistogram::Histogram;
    use std::sync::mpsc::{Sender, channel};

    /// When a stand-in shard ends.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Ends {
        WhenDrained,
        WhenStopped,
        Never,
    }

    struct Fake {
        number: usize,
        ends: Ends,
        events: Sender<Event>,
        /// The commands in the order that they came.
        log: Sender<(usize, &'static str)>,
    }

    impl Fake {
        fn tell(&self, command: &'static str, end: bool) {
            self.log.send((self.number, command)).unwrap();
            if end {
                let _ = self
                    .events
                    .send(Event::Shard(Report::Final(snapshot(self.number))));
            }
        }
    }

    impl Control for Fake {
        fn drain(&self) {
            self.tell("drain", self.ends == Ends::WhenDrained);
        }

        fn stop(&self) {
            self.tell("stop", self.ends != Ends::Never);
        }

        fn snapshot(&self) {
            self.tell("snapshot", false);
        }

        fn renew_roots(&self) {
            self.tell("renew roots", false);
        }

        fn join(self) -> std::io::Result<()> {
            self.tell("join", false);
            Ok(())
        }
    }

    fn snapshot(shard: usize) -> Box<Snapshot> {
        Box::new(Snapshot {
            shard,
            requests: 0,
            dispatches: 0,
            bytes: 0,
            connections: 0,
            accepted: 0,
            latency: Histogram::new(3).unwrap(),
            leased: 0,
            in_flight: 0,
            panics: 0,
        })
    }

    /// Runs stand-in shards through `script`; gives the result and the commands that each got.
    fn live(
        drain_timeout: u32,
        ends: &[Ends],
        script: Vec<Event>,
    ) -> (Result<(), ServerError>, Vec<Vec<&'static str>>) {
        let settings = File {
            drain_timeout: Some(drain_timeout),
            ..File::default()
        };
        let config = Config::new(settings).unwrap();
        let (events, inbox) = channel();
        let (log, commands) = channel();
        let mut lifecycle = Lifecycle::new(&config, inbox, None);
        for (number, &ends) in ends.iter().enumerate() {
            events
                .send(Event::Shard(Report::Ready { shard: number }))
                .unwrap();
            lifecycle.add(Fake {
                number,
                ends,
                events: events.clone(),
                log: log.clone(),
            });
        }
        drop(log);
        for event in script {
            events.send(event).unwrap();
        }
        let result = match lifecycle.wait_until_ready() {
            Ok(_) => lifecycle.run(),
            Err(error) => {
                drop(lifecycle);
                Err(error)
            }
        };
        let mut got = vec![Vec::new(); ends.len()];
        for (number, command) in commands {
            got[number].push(command);
        }
        (result, got)
    }

    fn end() -> Event {
        Event::Signal(Request::End)
    }

    #[test]
    fn a_signal_drains() {
        let (result, got) = live(60, &[Ends::WhenDrained; 2], vec![end()]);
        assert!(result.is_ok());
        assert_eq!(got, [["drain", "join"], ["drain", "join"]]);
    }

    #[test]
    fn every_shard_is_told_of_other_folders() {
        let (result, got) = live(60, &[Ends::WhenDrained; 2], vec![Event::OtherRoots, end()]);
        assert!(result.is_ok());
        assert_eq!(got, [["renew roots", "drain", "join"]; 2]);
    }

    #[test]
    fn a_second_signal_stops_what_still_drains_unless_it_is_the_first_one_said_twice() {
        let config = Config::new(File::default()).unwrap();
        let (events, inbox) = channel();
        let (log, commands) = channel();
        let mut lifecycle = Lifecycle::new(&config, inbox, None);
        lifecycle.add(Fake {
            number: 0,
            ends: Ends::WhenStopped,
            events,
            log,
        });
        let first = Instant::now();
        let mut told = |after: Duration| {
            lifecycle.handle(end(), first + after);
            commands.try_iter().collect::<Vec<_>>()
        };
        assert_eq!(told(Duration::ZERO), [(0, "drain")]);
        for ms in [0, 2, 499] {
            assert!(told(Duration::from_millis(ms)).is_empty(), "{ms}");
        }
        assert_eq!(told(SAME_SIGNAL), [(0, "stop")]);
        assert!(told(SAME_SIGNAL * 2).is_empty());
    }

    #[test]
    fn the_drain_timeout_stops_what_still_drains() {
        let (result, got) = live(0, &[Ends::WhenStopped], vec![end()]);
        assert!(result.is_ok());
        assert_eq!(got, [["drain", "stop", "join"]]);
    }

    #[test]
    fn a_shard_that_does_not_stop_is_an_error_and_is_not_waited_for() {
        let (result, got) = live(0, &[Ends::Never, Ends::WhenDrained], vec![end()]);
        assert!(matches!(result, Err(ServerError::Stuck { count: 1, .. })));
        assert!(!got[0].contains(&"join") && got[1].contains(&"join"));
    }

    #[test]
    fn a_shard_that_fails_ends_the_others_in_order() {
        let failed = Report::Failed {
            shard: 0,
            error: "no memory".to_owned(),
        };
        let (result, got) = live(60, &[Ends::WhenDrained; 2], vec![Event::Shard(failed)]);
        let error = result.unwrap_err().to_string();
        assert_eq!(error, "shard 0 failed: no memory");
        assert_eq!(got, [vec!["join"], vec!["drain", "join"]]);
    }

    #[test]
    fn shards_that_vanish_are_noticed() {
        let (result, _) = live(60, &[Ends::Never], vec![Event::ShardsGone]);
        assert!(matches!(result, Err(ServerError::Gone)));
        let ended = Event::Shard(Report::Final(snapshot(0)));
        let (result, _) = live(60, &[Ends::Never], vec![ended]);
        assert!(matches!(result, Err(ServerError::Ended { shard: 0 })));
    }

    #[test]
    fn after_a_pause_the_next_report_is_a_whole_interval_away() {
        let settings = File {
            report: std::num::NonZeroU32::new(2),
            ..File::default()
        };
        let config = Config::new(settings).unwrap();
        let (_events, inbox) = channel();
        let mut lifecycle = Lifecycle::<Fake>::new(&config, inbox, None);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        lifecycle.next_report = Some(at(2));
        for (now, next) in [(2, 4), (5, 6), (13, 15), (17, 19)] {
            lifecycle.tick(at(now));
            assert_eq!(lifecycle.next_report, Some(at(next)), "{now}");
        }
    }

    #[test]
    fn a_signal_before_all_are_ready_ends_it() {
        let config = Config::new(File::default()).unwrap();
        let (events, inbox) = channel();
        let (log, commands) = channel();
        let mut lifecycle = Lifecycle::new(&config, inbox, None);
        lifecycle.add(Fake {
            number: 0,
            ends: Ends::WhenDrained,
            events: events.clone(),
            log,
        });
        events.send(end()).unwrap();
        assert!(!lifecycle.wait_until_ready().unwrap());
        lifecycle.run().unwrap();
        assert_eq!(
            commands.iter().collect::<Vec<_>>(),
            [(0, "drain"), (0, "join")]
        );
    }
}
