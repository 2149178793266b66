//! Where a start's time goes, by the time-stamp counter: host and guest read the same one.

use std::time::Instant;

/// Points in time with the name of what ended there.
pub struct Timeline {
    points: Vec<(&'static str, u64)>,
    /// The two clocks at one moment, to turn ticks into time.
    first: (u64, Instant),
}

fn ticks() -> u64 {
    // SAFETY: rdtsc has no side effects.
    unsafe { core::arch::x86_64::_rdtsc() }
}

impl Timeline {
    pub fn start() -> Timeline {
        let now = ticks();
        Timeline {
            points: vec![("", now)],
            first: (now, Instant::now()),
        }
    }

    /// The time-stamp counter when this process was executed, where who did that tells.
    pub fn executed_at(&mut self, ticks: u64) {
        if let Some(start) = self.points.first_mut() {
            start.0 = "exec";
        }
        self.points.insert(0, ("", ticks));
    }

    pub fn mark(&mut self, name: &'static str) {
        self.points.push((name, ticks()));
    }

    /// `vm 0.31, image 0.12, ...` in milliseconds, the guest's own points last.
    pub fn text(&self, guest: &[(&'static str, u64)]) -> String {
        let elapsed = self.first.1.elapsed().as_secs_f64();
        let per_tick = elapsed * 1e3 / ticks().wrapping_sub(self.first.0).max(1) as f64;
        let span = |from: u64, to: u64| to.saturating_sub(from) as f64 * per_tick;
        let start = self.points.first().map_or(self.first.0, |(_, at)| *at);
        let mut last = start;
        let mut text = String::new();
        for (name, at) in self.points.iter().skip(1).chain(guest) {
            text.push_str(&format!("{name} {:.2}, ", span(last, *at)));
            last = *at;
        }
        format!("{text}in all {:.2} ms", span(start, last))
    }
}
