//! No wake-up is lost: all orders in which two vCPUs, the monitor's workers and its ticker can go
//! through waiting, waking, idling and kicking. The queues are the kernel's own; what is around them
//! is written down here in steps, each as long as nothing else can come between: what the kernel does
//! under its lock is cut only where others act without it (the program's stores, the monitor).

use std::collections::HashSet;

use crate::threads::queue::Queue;
use crate::threads::waiters::Waiters;

use Op::*;

const VCPUS: usize = 2;
const WORDS: usize = 2;

/// What a thread does, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    /// Sets the word.
    Store(usize, u32),
    /// FUTEX_WAIT until the word is not that any more.
    WaitWhile(usize, u32),
    /// FUTEX_WAKE of one.
    Wake(usize),
    /// FUTEX_REQUEUE of one, from the first word to the second.
    Move(usize, usize),
    /// A call that a worker makes.
    Call,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Op(Op),
    Preempt,
    End,
}

/// Where a vCPU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Program,
    /// It waits for the lock.
    Enter(Entry),
    Kernel(Entry),
    /// FUTEX_WAIT has looked at the word.
    Looked(usize),
    /// Back from a wait or a switch, with the lock.
    Finish,
    /// On its way to the program, without the lock.
    Exit,
    Idle,
    Spin,
    /// Waits for the lock to idle, or to sleep.
    EnterIdle,
    EnterSleep,
    Sleepy,
    Told,
    InMonitor,
    Sleeps,
    Asleep,
    Risen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Vcpu {
    phase: Phase,
    thread: Option<usize>,
    preempt: bool,
    woken: u8,
    seen: u8,
    /// What the guest says, and what the monitor knows.
    asleep: bool,
    sleeps: bool,
}

/// A step of the monitor that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Due {
    Answer(usize),
    WakeOne,
    Kick(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    No,
    /// Sleeps without another look at the answers.
    NoSecondLook,
    /// Looks at the word before it takes the lock.
    EarlyLook,
    /// The monitor wakes without counting.
    NoCount,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    queue: Queue<usize>,
    waiters: Waiters<usize>,
    lock: Option<usize>,
    words: [u32; WORDS],
    vcpus: [Vcpu; VCPUS],
    at: Vec<usize>,
    blocked: Vec<bool>,
    ended: Vec<bool>,
    /// Calls that were answered.
    done: Vec<bool>,
    answered: u8,
    collected: u8,
    due: Vec<Due>,
}

impl State {
    /// Makes states equal between which nobody can tell the difference.
    fn simplify(&mut self) {
        self.due.sort_unstable();
        self.answered -= self.collected;
        self.collected = 0;
        for vcpu in &mut self.vcpus {
            use Phase::*;
            if !matches!(vcpu.phase, Told | InMonitor | Sleeps | Asleep) {
                vcpu.seen = vcpu.woken;
            }
            vcpu.woken = u8::from(vcpu.woken != vcpu.seen);
            vcpu.seen = 0;
        }
    }
}

struct Model {
    programs: Vec<Vec<Op>>,
    broken: Broken,
}

impl Model {
    fn start(&self) -> State {
        let count = self.programs.len();
        let vcpu = Vcpu {
            phase: Phase::EnterIdle,
            thread: None,
            preempt: false,
            woken: 0,
            seen: 0,
            asleep: false,
            sleeps: false,
        };
        let mut state = State {
            queue: Queue::new(),
            waiters: Waiters::new(),
            lock: None,
            words: [0; WORDS],
            vcpus: [vcpu; VCPUS],
            at: vec![0; count],
            blocked: vec![false; count],
            ended: vec![false; count],
            done: vec![false; count],
            answered: 0,
            collected: 0,
            due: Vec::new(),
        };
        state.vcpus[0].phase = Phase::Program;
        state.vcpus[0].thread = Some(0);
        (1..count).for_each(|thread| state.queue.push(thread));
        state
    }

    /// Goes through all states; returns one in which nothing can go on though not all have ended.
    fn explore(&self) -> (usize, Option<State>) {
        let mut seen = HashSet::new();
        let mut open = vec![self.start()];
        while let Some(mut state) = open.pop() {
            state.simplify();
            if !seen.insert(state.clone()) {
                continue;
            }
            let next = self.successors(&state);
            if next.is_empty() && !state.ended.iter().all(|ended| *ended) {
                return (seen.len(), Some(state));
            }
            open.extend(next);
        }
        (seen.len(), None)
    }

    fn successors(&self, state: &State) -> Vec<State> {
        let mut next = Vec::new();
        for vcpu in 0..VCPUS {
            self.step(state, vcpu, &mut next);
            // The ticker, for a kick that was not seen.
            if state.vcpus[vcpu].phase == Phase::Program && state.vcpus[vcpu].preempt {
                let mut state = state.clone();
                state.vcpus[vcpu].phase = Phase::Enter(Entry::Preempt);
                next.push(state);
            }
        }
        for at in 0..state.due.len() {
            let mut state = state.clone();
            let due = state.due.remove(at);
            self.monitor(&mut state, due);
            next.push(state);
        }
        next
    }

    fn monitor(&self, state: &mut State, due: Due) {
        match due {
            Due::Answer(thread) => {
                state.done[thread] = true;
                state.answered += 1;
                state.due.push(Due::WakeOne);
            }
            Due::WakeOne => {
                let inside = |vcpu: &Vcpu| {
                    use Phase::*;
                    !matches!(vcpu.phase, InMonitor | Sleeps | Asleep | Risen)
                };
                let vcpus = || state.vcpus.iter();
                let found = vcpus().position(|vcpu| vcpu.asleep);
                if let Some(vcpu) = found.or_else(|| vcpus().position(inside)) {
                    self.count_wake(state, vcpu);
                    state.due.push(Due::Kick(vcpu));
                }
            }
            Due::Kick(vcpu) => kick(&mut state.vcpus[vcpu]),
        }
    }

    fn count_wake(&self, state: &mut State, vcpu: usize) {
        if self.broken != Broken::NoCount {
            state.vcpus[vcpu].woken += 1;
        }
    }

    fn step(&self, state: &State, vcpu: usize, next: &mut Vec<State>) {
        let mut new = state.clone();
        let own = &mut new.vcpus[vcpu];
        let thread = own.thread.unwrap_or(usize::MAX);
        match own.phase {
            Phase::Program => self.run(&mut new, vcpu, thread),
            Phase::Enter(entry) => {
                if state.lock.is_some() {
                    return;
                }
                new.lock = Some(vcpu);
                own.phase = Phase::Kernel(entry);
            }
            Phase::Kernel(entry) => self.enter(&mut new, vcpu, thread, entry),
            Phase::Looked(word) => {
                new.blocked[thread] = true;
                new.waiters.add(word as u64, thread, 1);
                switch_away(&mut new, vcpu);
            }
            Phase::Finish => {
                let kicked = std::mem::take(&mut own.preempt);
                if kicked || new.answered != new.collected {
                    give_way(&mut new, vcpu);
                }
                // Somebody has waited for long enough, or not.
                let mut sharing = new.clone();
                if let Some(sleeper) = sharing.queue.take_sleeper() {
                    self.count_wake(&mut sharing, sleeper);
                    kick(&mut sharing.vcpus[sleeper]);
                    leave(&mut sharing, vcpu);
                    next.push(sharing);
                }
                leave(&mut new, vcpu);
            }
            Phase::Exit => own.phase = Phase::Program,
            Phase::Idle => {
                collect(&mut new);
                match new.queue.pop(vcpu) {
                    Some(thread) => switch_to(&mut new, vcpu, thread),
                    None => {
                        new.lock = None;
                        new.vcpus[vcpu].phase = Phase::Spin;
                    }
                }
            }
            Phase::Spin => {
                if new.answered != new.collected || !new.queue.is_empty() {
                    own.phase = Phase::EnterIdle;
                } else {
                    own.phase = Phase::EnterSleep;
                }
            }
            Phase::EnterIdle | Phase::EnterSleep | Phase::Risen => {
                if state.lock.is_some() {
                    return;
                }
                new.lock = Some(vcpu);
                match own.phase {
                    Phase::EnterSleep => own.phase = Phase::Sleepy,
                    phase => {
                        if phase == Phase::Risen {
                            own.asleep = false;
                            new.queue.rise(vcpu);
                        }
                        own.phase = Phase::Idle;
                    }
                }
            }
            Phase::Sleepy if !new.queue.is_empty() => own.phase = Phase::Idle,
            Phase::Sleepy => {
                new.queue.sleep(vcpu, 0);
                own.asleep = true;
                own.seen = own.woken;
                own.phase = Phase::Told;
            }
            Phase::Told => {
                let came = new.answered != new.collected;
                if came && self.broken != Broken::NoSecondLook {
                    own.asleep = false;
                    own.phase = Phase::Idle;
                    new.queue.rise(vcpu);
                } else {
                    own.phase = Phase::InMonitor;
                    new.lock = None;
                }
            }
            Phase::InMonitor => {
                own.sleeps = true;
                own.phase = Phase::Sleeps;
            }
            Phase::Sleeps if own.woken != own.seen => rise(own),
            Phase::Sleeps => own.phase = Phase::Asleep,
            Phase::Asleep => return,
        }
        next.push(new);
    }

    /// The program's next step.
    fn run(&self, state: &mut State, vcpu: usize, thread: usize) {
        let phase = &mut state.vcpus[vcpu].phase;
        let Some(op) = self.programs[thread].get(state.at[thread]).copied() else {
            *phase = Phase::Enter(Entry::End);
            return;
        };
        match op {
            Store(word, value) => {
                state.words[word] = value;
                state.at[thread] += 1;
            }
            WaitWhile(word, value) if state.words[word] != value => state.at[thread] += 1,
            op => *phase = Phase::Enter(Entry::Op(op)),
        }
    }

    fn enter(&self, state: &mut State, vcpu: usize, thread: usize, entry: Entry) {
        match entry {
            Entry::Op(WaitWhile(word, value)) => {
                let same = state.words[word] == value || self.broken == Broken::EarlyLook;
                state.vcpus[vcpu].phase = if same {
                    Phase::Looked(word)
                } else {
                    Phase::Finish
                };
                return;
            }
            Entry::Op(Call) => {
                state.at[thread] += 1;
                state.blocked[thread] = true;
                state.due.push(Due::Answer(thread));
                return switch_away(state, vcpu);
            }
            Entry::End => {
                state.ended[thread] = true;
                state.blocked[thread] = true;
                return switch_away(state, vcpu);
            }
            Entry::Op(Wake(word)) => {
                state.at[thread] += 1;
                if let Some(woken) = state.waiters.take(word as u64, 1) {
                    wake(state, woken);
                }
            }
            Entry::Op(Move(from, to)) => {
                state.at[thread] += 1;
                state.waiters.requeue(from as u64, to as u64, 1);
            }
            Entry::Op(Store(..)) => unreachable!("no call"),
            Entry::Preempt => state.vcpus[vcpu].preempt = true,
        }
        state.vcpus[vcpu].phase = Phase::Finish;
    }
}

/// The monitor's part of a wake that follows the count.
fn kick(vcpu: &mut Vcpu) {
    if vcpu.sleeps {
        if vcpu.phase == Phase::Asleep {
            rise(vcpu);
        }
        return;
    }
    vcpu.preempt = true;
    if vcpu.phase == Phase::Program {
        vcpu.phase = Phase::Enter(Entry::Preempt);
    }
}

fn rise(vcpu: &mut Vcpu) {
    vcpu.sleeps = false;
    vcpu.phase = Phase::Risen;
}

fn leave(state: &mut State, vcpu: usize) {
    state.lock = None;
    state.vcpus[vcpu].phase = Phase::Exit;
}

fn wake(state: &mut State, thread: usize) {
    if !std::mem::take(&mut state.blocked[thread]) {
        return;
    }
    if state.vcpus.iter().all(|vcpu| vcpu.thread != Some(thread)) {
        state.queue.push(thread);
    }
}

fn collect(state: &mut State) {
    state.collected = state.answered;
    for thread in 0..state.done.len() {
        if std::mem::take(&mut state.done[thread]) {
            wake(state, thread);
        }
    }
}

fn give_way(state: &mut State, vcpu: usize) {
    collect(state);
    if let Some(thread) = state.queue.pop(vcpu) {
        let own = state.vcpus[vcpu].thread;
        own.into_iter().for_each(|own| state.queue.push(own));
        switch_to(state, vcpu, thread);
    }
}

fn switch_away(state: &mut State, vcpu: usize) {
    collect(state);
    let thread = state.vcpus[vcpu].thread;
    if thread.is_some_and(|thread| !state.blocked[thread]) {
        state.vcpus[vcpu].phase = Phase::Finish;
        return;
    }
    match state.queue.pop(vcpu) {
        Some(thread) => switch_to(state, vcpu, thread),
        None => {
            state.vcpus[vcpu].thread = None;
            state.vcpus[vcpu].phase = Phase::Idle;
        }
    }
}

fn switch_to(state: &mut State, vcpu: usize, thread: usize) {
    let runs = |vcpu: &Vcpu| vcpu.thread == Some(thread);
    assert!(!state.vcpus.iter().any(runs), "a thread on two vCPUs");
    assert!(!state.blocked[thread], "a thread that waits was ready");
    state.vcpus[vcpu].thread = Some(thread);
    state.vcpus[vcpu].phase = Phase::Finish;
}

fn programs() -> Vec<Vec<Vec<Op>>> {
    vec![
        vec![vec![WaitWhile(0, 0)], vec![Store(0, 1), Wake(0)]],
        vec![
            vec![WaitWhile(0, 0), Store(1, 1), Wake(1)],
            vec![Store(0, 1), Wake(0), WaitWhile(1, 0)],
        ],
        vec![
            vec![Call, Call],
            vec![Call, Store(0, 1), Wake(0)],
            vec![WaitWhile(0, 0)],
        ],
        vec![
            vec![WaitWhile(0, 0)],
            vec![WaitWhile(0, 0)],
            vec![Call, Store(0, 1), Wake(0), Wake(0)],
        ],
        vec![
            vec![WaitWhile(0, 0)],
            vec![Move(0, 1), Store(0, 1), Wake(1), Wake(0)],
            vec![Call],
        ],
    ]
}

#[test]
fn no_wake_up_is_lost() {
    for programs in programs() {
        let model = Model {
            programs,
            broken: Broken::No,
        };
        let (states, stuck) = model.explore();
        assert_eq!(stuck, None, "{:?}", model.programs);
        assert!(states > 100, "{states} states are no exploration");
    }
}

#[test]
fn the_explorer_finds_what_is_broken() {
    for broken in [Broken::NoSecondLook, Broken::EarlyLook, Broken::NoCount] {
        let stuck = programs().into_iter().any(|programs| {
            let model = Model { programs, broken };
            model.explore().1.is_some()
        });
        assert!(stuck, "{broken:?} was not found");
    }
}
