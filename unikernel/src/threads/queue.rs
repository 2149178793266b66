//! Who runs next, and which vCPUs have nothing to run. All of it under the kernel's lock.

use alloc::collections::VecDeque;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queue<T> {
    /// Those that can run but do not, in the order of their turns.
    ready: VecDeque<T>,
    /// Those of them that only the first vCPU may run.
    of_first: VecDeque<T>,
    /// A bit for each vCPU that sleeps, or is about to.
    asleep: u32,
    /// The vCPU that wakes at a deadline, for all that sleep.
    watch: Option<(usize, u64)>,
}

impl<T> Queue<T> {
    pub const fn new() -> Queue<T> {
        Queue {
            ready: VecDeque::new(),
            of_first: VecDeque::new(),
            asleep: 0,
            watch: None,
        }
    }

    pub fn push(&mut self, thread: T) {
        self.ready.push_back(thread);
    }

    /// For the first vCPU only, which the caller then wakes.
    pub fn push_for_first(&mut self, thread: T) {
        self.of_first.push_back(thread);
    }

    /// How many can run but do not.
    pub fn len(&self) -> usize {
        self.ready.len() + self.of_first.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What this vCPU runs next.
    pub fn pop(&mut self, vcpu: usize) -> Option<T> {
        let first = (vcpu == 0).then(|| self.of_first.pop_front()).flatten();
        first.or_else(|| self.ready.pop_front())
    }

    /// The vCPU found nothing to run and sleeps; `deadline` is the first that a thread waits for (0:
    /// none). Returns when it shall wake by itself: one of those that sleep does it for all.
    pub fn sleep(&mut self, vcpu: usize, deadline: u64) -> u64 {
        self.asleep |= 1 << vcpu;
        let watched = self.watch.is_some_and(|(_, until)| until <= deadline);
        if deadline == 0 || watched {
            return 0;
        }
        self.watch = Some((vcpu, deadline));
        deadline
    }

    /// The vCPU does not sleep any more.
    pub fn rise(&mut self, vcpu: usize) {
        self.asleep &= !(1 << vcpu);
        if self.watch.is_some_and(|(watching, _)| watching == vcpu) {
            self.watch = None;
        }
    }

    /// A vCPU that sleeps, for a thread that waits for its turn; it is woken but once.
    pub fn take_sleeper(&mut self) -> Option<usize> {
        let vcpu = self.asleep.trailing_zeros() as usize;
        if self.ready.is_empty() || self.asleep == 0 {
            return None;
        }
        self.asleep &= !(1 << vcpu);
        Some(vcpu)
    }

    /// No thread waits, and no vCPU sleeps: the process is a new one.
    pub fn clear(&mut self) {
        self.ready.clear();
        self.of_first.clear();
        self.asleep = 0;
        self.watch = None;
    }
}
