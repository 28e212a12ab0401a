//! What a labelling program may use, and the system limits that hold it to that.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use postil_core::{Error, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;

/// What one call of a labelling function may use. A call of a batch function, `labels(items)`, may use ten times that
/// in steps and seconds.
///
/// Steps are counted the same on every machine, so a program that runs into that limit does so everywhere; seconds are
/// the safety net behind it, for single operations that take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory of the worker process, in millions of bytes, beyond what it needs without the program. The program's own
    /// values may take half of it.
    pub memory_mb: u64,
    /// Function calls and rounds of loops.
    pub steps_per_item: u64,
    /// Seconds of processor time.
    pub seconds_per_item: u64,
    /// After this many calls in one batch that ran into a limit or killed the worker, the function is not called again
    /// for that batch.
    pub failures: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_mb: 512, steps_per_item: 10_000_000, seconds_per_item: 2, failures: 10 }
    }
}

impl Limits {
    /// How much more a batch function may use.
    pub(super) const BATCH_FACTOR: u64 = 10;

    pub(super) fn check(&self) -> Result<()> {
        let fits = (16..=1 << 20).contains(&self.memory_mb)
            && (1000..=1 << 50).contains(&self.steps_per_item)
            && (1..=86_400).contains(&self.seconds_per_item)
            && self.failures > 0;
        if fits {
            return Ok(());
        }
        Err(Error::task(format!(
            "expected program limits of at least 16 MB, 1000 steps, 1 second and 1 failure, found {} MB, {} steps, {} \
             seconds and {} failures",
            self.memory_mb, self.steps_per_item, self.seconds_per_item, self.failures
        )))
    }

    pub(super) fn numbers(&self) -> [u64; 4] {
        [self.memory_mb, self.steps_per_item, self.seconds_per_item, u64::from(self.failures)]
    }

    pub(super) fn from_numbers([memory_mb, steps_per_item, seconds_per_item, failures]: [u64; 4]) -> Self {
        Self { memory_mb, steps_per_item, seconds_per_item, failures: failures as u16 }
    }

    /// Bytes that a program's own values may take.
    pub(super) const fn heap_bytes(&self) -> usize {
        (self.memory_mb * 500_000) as usize
    }
}

/// The system limits of a worker process. What a system does not support is left out: the program has no function that
/// opens, connects or starts anything in the first place.
pub(super) struct Jail {
    /// The process's own memory figures, opened before opening was forbidden; `None` where there are none.
    memory: Option<File>,
}

impl Jail {
    /// Forbids for good: new files and sockets, growing a file, new processes and threads, core dumps.
    pub(super) fn close() -> Self {
        let memory = File::open("/proc/self/statm").ok();
        for resource in [Resource::Core, Resource::Fsize, Resource::Nproc, Resource::Nofile] {
            // Best effort, as said above.
            let _ = setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) });
        }
        Self { memory }
    }

    /// Allows this much memory and processor time from now on; more is a crash.
    pub(super) fn allow(&self, memory_mb: u64, seconds: u64) {
        lower(Resource::As, self.size().saturating_add(memory_mb * 1_000_000));
        let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec.max(0) as u64;
        lower(Resource::Cpu, used + seconds + 1);
    }

    /// The address space in use, in bytes.
    fn size(&self) -> u64 {
        let mut text = [0; 64];
        let pages = self.memory.as_ref().and_then(|file| {
            let read = file.read_at(&mut text, 0).ok()?;
            std::str::from_utf8(&text[..read]).ok()?.split(' ').next()?.parse::<u64>().ok()
        });
        pages.map_or(256_000_000, |pages| pages * rustix::param::page_size() as u64)
    }
}

/// Sets the limit that counts and keeps the one that it may be raised to.
fn lower(resource: Resource, to: u64) {
    let maximum = getrlimit(resource).maximum;
    let current = maximum.map_or(to, |maximum| maximum.min(to));
    let _ = setrlimit(resource, Rlimit { current: Some(current), maximum });
}

/// Processor time of this thread.
pub(super) fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.max(0) as u64, now.tv_nsec.max(0) as u32)
}
