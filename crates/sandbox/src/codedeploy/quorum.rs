//! How many instances are worked on at once, and when a deployment has lost too many: pure arithmetic.
//!
//! With `n` instances and a minimum `m` of healthy ones (fixed at the start), at most `n - m` may be out of service
//! (in flight or failed) at any moment. As soon as `n - m` have failed nothing more is started; if something was left
//! to do then, the deployment has failed. So the failure of the very last instance can be survived.

/// Where a roll over instances stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    total: usize,
    minimum: usize,
    pending: usize,
    in_flight: usize,
    failed: usize,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Start another instance.
    Start,
    /// Something is in flight; decide when it has ended.
    Wait,
    /// Everything that could be done is done: enough instances are healthy, or not.
    Done {
        /// Whether the roll succeeded.
        enough: bool,
    },
}

impl Quorum {
    /// A roll over `total` instances of which `minimum` stay healthy; `None` if that allows no instance to be touched.
    pub fn new(total: usize, minimum: usize) -> Option<Quorum> {
        (minimum < total).then_some(Quorum { total, minimum, pending: total, in_flight: 0, failed: 0 })
    }

    /// The same, but a minimum that allows nothing is lowered until one instance at a time is possible.
    pub fn lenient(total: usize, minimum: usize) -> Quorum {
        let minimum = minimum.min(total.saturating_sub(1));
        Quorum { total, minimum, pending: total, in_flight: 0, failed: 0 }
    }

    /// The same without a minimum: all at once, and it does not matter how many succeed as long as one does.
    pub fn free(total: usize) -> Quorum {
        Quorum { total, minimum: 0, pending: total, in_flight: 0, failed: 0 }
    }

    /// What to do now.
    pub fn next(&self) -> Move {
        let allowed = self.total - self.minimum;
        if self.pending > 0 && self.in_flight + self.failed < allowed {
            return Move::Start;
        }
        if self.in_flight > 0 {
            return Move::Wait;
        }
        Move::Done { enough: self.pending == 0 && self.total - self.failed >= self.minimum.max(1).min(self.total) }
    }

    /// Whether instances were never started: too many others had failed.
    pub fn is_left_undone(&self) -> bool {
        self.pending > 0
    }

    /// An instance has been started.
    pub fn started(&mut self) {
        self.pending -= 1;
        self.in_flight += 1;
    }

    /// One in flight has ended.
    pub fn ended(&mut self, succeeded: bool) {
        self.in_flight -= 1;
        self.failed += usize::from(!succeeded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many ran at once, how many were touched, whether it succeeded.
    type Rolled = Option<(usize, usize, bool)>;

    /// Runs a roll in which the instances at these positions fail, in order.
    fn roll(total: usize, minimum: usize, failing: &[usize]) -> Rolled {
        let mut quorum = Quorum::new(total, minimum)?;
        let (mut flying, mut most, mut touched) = (std::collections::VecDeque::new(), 0, 0);
        loop {
            match quorum.next() {
                Move::Start => {
                    quorum.started();
                    flying.push_back(touched);
                    touched += 1;
                    most = most.max(flying.len());
                }
                Move::Wait => quorum.ended(!failing.contains(&flying.pop_front().expect("something is in flight"))),
                Move::Done { enough } => return Some((most, touched, enough)),
            }
        }
    }

    #[test]
    fn the_documented_cases() {
        let all: Vec<usize> = (0..10).collect();
        let table: &[(usize, usize, &[usize], Rolled)] = &[
            (10, 9, &[], Some((1, 10, true))),
            (10, 9, &[0], Some((1, 1, false))),
            (10, 9, &[8], Some((1, 9, false))),
            (10, 9, &[9], Some((1, 10, true))),
            (10, 8, &[3], Some((2, 10, true))),
            (10, 8, &[3, 5], Some((2, 6, false))),
            (10, 8, &[3, 9], Some((2, 10, true))),
            (10, 0, &[], Some((10, 10, true))),
            (10, 0, &all[1..], Some((10, 10, true))),
            (10, 0, &all, Some((10, 10, false))),
            (1, 0, &[], Some((1, 1, true))),
            (1, 0, &[0], Some((1, 1, false))),
            (9, 5, &[], Some((4, 9, true))),
            (10, 10, &[], None),
            (1, 1, &[], None),
        ];
        for (total, minimum, failing, expected) in table {
            assert_eq!(roll(*total, *minimum, failing), *expected, "{minimum} of {total}, failing {failing:?}");
        }
    }

    proptest! {
        #[test]
        fn the_minimum_is_kept(total in 1_usize..40, minimum in 0_usize..40, failing in prop::collection::vec(0_usize..40, 0..40)) {
            let Some((most, touched, enough)) = roll(total, minimum, &failing) else {
                prop_assert!(minimum >= total);
                return Ok(());
            };
            let failed = (0..touched).filter(|at| failing.contains(at)).count();
            prop_assert!(most <= total - minimum);
            prop_assert!(failed <= total - minimum, "never fewer than the minimum are left");
            prop_assert_eq!(enough, touched == total && total - failed >= minimum.max(1));
        }
    }
}
