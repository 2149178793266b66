//! What a verbose run tells of the guest's requests: how often each was made, and how long the monitor
//! took for them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use pinion_abi::calls::{self, machine};

const REQUESTS: usize = calls::NUMBERS + machine::REQUESTS.len();

/// How many of them are told, those first that took longest.
const TOLD: usize = 12;

#[derive(Default)]
struct Sum {
    times: AtomicU32,
    nanoseconds: AtomicU64,
}

pub(super) struct Profile(Vec<Sum>);

/// Where a request of the guest's is counted: none for a number that has no meaning.
fn index(number: u32) -> Option<usize> {
    let number = number as usize;
    let first = machine::GROW as usize;
    match number.checked_sub(first) {
        Some(request) => (request < machine::REQUESTS.len()).then_some(calls::NUMBERS + request),
        None => (number < calls::NUMBERS).then_some(number),
    }
}

fn name(index: usize) -> &'static str {
    match index.checked_sub(calls::NUMBERS) {
        Some(request) => machine::REQUESTS[request].name,
        None => calls::find(index as u64).map_or("?", |call| call.name),
    }
}

impl Profile {
    /// Counts nothing unless the run is a verbose one.
    pub(super) fn new(verbose: bool) -> Profile {
        let length = if verbose { REQUESTS } else { 0 };
        Profile((0..length).map(|_| Sum::default()).collect())
    }

    /// Counts what `serve` does for the request.
    pub(super) fn count<T>(&self, number: u32, serve: impl FnOnce() -> T) -> T {
        let Some(sum) = index(number).and_then(|index| self.0.get(index)) else {
            return serve();
        };
        let start = Instant::now();
        let result = serve();
        let nanoseconds = start.elapsed().as_nanos() as u64;
        sum.times.fetch_add(1, Ordering::Relaxed);
        sum.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        result
    }

    /// `name times milliseconds`, of those that took longest.
    pub(super) fn text(&self) -> String {
        let mut sums: Vec<(u64, u32, usize)> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, sum)| {
                let nanoseconds = sum.nanoseconds.load(Ordering::Relaxed);
                (nanoseconds, sum.times.load(Ordering::Relaxed), index)
            })
            .filter(|(_, times, _)| *times > 0)
            .collect();
        sums.sort_unstable_by(|a, b| b.cmp(a));
        let told = sums.iter().take(TOLD).map(|(nanoseconds, times, index)| {
            format!(
                "{} {times} {:.2} ms",
                name(*index),
                *nanoseconds as f64 / 1e6
            )
        });
        told.collect::<Vec<_>>().join(", ")
    }
}
