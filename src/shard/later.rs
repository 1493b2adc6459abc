//! Whose turn it is among the files that wait to be opened: one of each connection that asked for any, then the next of
//! each. So who asks for one waits for as many others as there are connections, however many each of these asked for.

use std::collections::{HashMap, VecDeque};

use crate::uring::Owner;

/// Jobs that wait, by who asked for them: one that several want is there once for each request.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// The jobs of each connection, in the order in which it asked; none is empty.
    jobs: HashMap<Owner, VecDeque<Owner>>,
    /// The connections, in the order of their turns.
    turns: VecDeque<Owner>,
    len: usize,
}

impl Later {
    pub(super) fn push(&mut self, connection: Owner, job: Owner) {
        let jobs = self.jobs.entry(connection).or_default();
        if jobs.is_empty() {
            self.turns.push_back(connection);
        }
        jobs.push_back(job);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<Owner> {
        let connection = self.turns.pop_front()?;
        let jobs = self.jobs.get_mut(&connection)?;
        let job = jobs.pop_front()?;
        if jobs.is_empty() {
            self.jobs.remove(&connection);
        } else {
            self.turns.push_back(connection);
        }
        self.len -= 1;
        Some(job)
    }

    /// Takes out the jobs of a connection that do not stay.
    pub(super) fn retain(&mut self, connection: Owner, mut stays: impl FnMut(Owner) -> bool) {
        let Some(jobs) = self.jobs.get_mut(&connection) else {
            return;
        };
        let before = jobs.len();
        jobs.retain(|&job| stays(job));
        self.len -= before - jobs.len();
        if jobs.is_empty() {
            self.jobs.remove(&connection);
            self.turns.retain(|&other| other != connection);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(slot: u32) -> Owner {
        Owner {
            slot,
            generation: 7,
        }
    }

    fn popped(later: &mut Later, count: usize) -> Vec<u32> {
        let jobs = (0..count).map_while(|_| later.pop());
        jobs.map(|job| job.slot).collect()
    }

    #[test]
    fn one_of_each_goes_before_the_next_of_any() {
        let mut later = Later::default();
        for job in 10..15 {
            later.push(owner(1), owner(job));
        }
        later.push(owner(2), owner(20));
        later.push(owner(2), owner(21));
        assert_eq!(popped(&mut later, 3), [10, 20, 11]);
        // Who comes now goes after those who are there already.
        later.push(owner(3), owner(30));
        assert_eq!(
            (later.len(), popped(&mut later, 9)),
            (5, vec![21, 12, 30, 13, 14])
        );
        assert_eq!((later.len(), later.pop()), (0, None));
        assert!(later.jobs.is_empty() && later.turns.is_empty());
    }

    #[test]
    fn who_had_all_opened_begins_anew() {
        let mut later = Later::default();
        later.push(owner(1), owner(10));
        assert_eq!(popped(&mut later, 2), [10]);
        later.push(owner(2), owner(20));
        later.push(owner(1), owner(11));
        assert_eq!(popped(&mut later, 3), [20, 11]);
    }

    #[test]
    fn those_of_one_connection_are_taken_out() {
        let mut later = Later::default();
        for job in 10..13 {
            later.push(owner(1), owner(job));
            later.push(owner(2), owner(job + 10));
        }
        later.retain(owner(1), |job| job == owner(11));
        assert_eq!((later.len(), later.jobs.len()), (4, 2));
        later.retain(owner(1), |_| false);
        later.retain(owner(1), |_| panic!("it has none any more"));
        assert_eq!((later.len(), popped(&mut later, 9)), (3, vec![20, 21, 22]));
    }
}
