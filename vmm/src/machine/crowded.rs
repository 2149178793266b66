//! Whether others want the core on which the helper would poll.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::start::allowed_cpus;
use crate::calls::Service;

/// For how long it is believed that no core is free.
const BELIEVED: Duration = Duration::from_millis(2);

pub struct Crowded {
    start: Instant,
    /// Until when the helper leaves its core to others: microseconds after the start.
    until: AtomicU64,
    /// /proc/loadavg, which tells how many threads run on the host.
    load: Option<File>,
    /// On how many cores this process may run.
    cores: u32,
}

impl Crowded {
    pub fn new(service: &Service) -> Crowded {
        Crowded {
            start: Instant::now(),
            until: AtomicU64::new(0),
            load: service.open_in_proc(c"loadavg").ok().map(File::from),
            cores: allowed_cpus().len() as u32,
        }
    }

    pub fn until(&self, span: Duration) {
        let until = self.start.elapsed() + span;
        self.until
            .store(until.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn is_over(&self) -> bool {
        if (self.start.elapsed().as_micros() as u64) < self.until.load(Ordering::Relaxed) {
            return false;
        }
        // The caller is one of those that run.
        if self.running().is_some_and(|running| running >= self.cores) {
            self.until(BELIEVED);
            return false;
        }
        true
    }

    fn running(&self) -> Option<u32> {
        let mut text = [0; 64];
        let read = self.load.as_ref()?.read_at(&mut text, 0).ok()?;
        running(std::str::from_utf8(text.get(..read)?).ok()?)
    }
}

/// The fourth field of /proc/loadavg (proc_loadavg(5)): threads that run or could, of how many.
fn running(load: &str) -> Option<u32> {
    let (running, _) = load.split(' ').nth(3)?.split_once('/')?;
    running.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_run_are_told() {
        assert_eq!(running("0.16 15.80 9.52 3/414 12439\n"), Some(3));
        assert_eq!(running("0.16 15.80"), None);
        assert_eq!(running(""), None);
    }
}
