//! Counting what a call uses, and knowing which line runs.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use starlark::codemap::FileSpanRef;
use starlark::eval::{BeforeStmtFunc, BeforeStmtFuncDyn, Evaluator};
use starlark::values::Heap;

use super::host::Complaint;
use super::limits::{Limits, processor_time};
use super::wire::{Response, send};

/// The interpreter looks at the meter once in so many steps.
const STEPS_PER_CHECK: u64 = 1000;
/// After so many reports in one call only lines that have not run before are reported, so that a long loop does not
/// spend its time on telling where it is.
const REPORTED_LINES: u32 = 20_000;

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Steps,
    Seconds,
    Memory,
}

/// What one call may use and has used.
pub(super) struct Meter {
    limits: Limits,
    checks: Cell<u64>,
    started: Cell<Option<Duration>>,
    stop: Cell<Option<Stop>>,
}

impl Meter {
    /// A meter for calls that may use `factor` times what the limits say.
    pub(super) fn new(limits: Limits, factor: u64) -> Rc<Self> {
        let limits = Limits {
            steps_per_item: limits.steps_per_item.saturating_mul(factor),
            seconds_per_item: limits.seconds_per_item.saturating_mul(factor),
            ..limits
        };
        Rc::new(Self { limits, checks: Cell::new(0), started: Cell::new(None), stop: Cell::new(None) })
    }

    /// A new call begins.
    pub(super) fn begin(&self) {
        self.checks.set(0);
        self.started.set(None);
        self.stop.set(None);
    }

    /// Called by the interpreter now and then; true stops the call.
    pub(super) fn check(&self, heap_bytes: usize) -> bool {
        self.checks.set(self.checks.get() + 1);
        if self.check_memory(heap_bytes) {
            return true;
        }
        // One check may be left over from the call before and one comes at the end of every call.
        if self.checks.get() > self.limits.steps_per_item / STEPS_PER_CHECK + 2 {
            self.stop.set(Some(Stop::Steps));
            return true;
        }
        if self.checks.get() > 1 {
            // The clock is not looked at in calls too short to matter.
            let now = processor_time();
            match self.started.get() {
                None => self.started.set(Some(now)),
                Some(started) if now.saturating_sub(started).as_secs() >= self.limits.seconds_per_item => {
                    self.stop.set(Some(Stop::Seconds));
                    return true;
                }
                Some(_) => {}
            }
        }
        false
    }

    /// Whether the call stopped, or took too many steps without having been caught at it.
    pub(super) fn finish(&self, steps: u64) -> Option<Stop> {
        self.stop.get().or((steps > self.limits.steps_per_item).then_some(Stop::Steps))
    }

    /// The reason in words.
    pub(super) fn reason(&self, stop: Stop) -> String {
        match stop {
            Stop::Steps => format!("stopped after {} steps", self.limits.steps_per_item),
            Stop::Seconds => format!("stopped after {} s of processor time", self.limits.seconds_per_item),
            Stop::Memory => {
                format!("stopped when its values took more than {} MB", self.limits.heap_bytes() / 1_000_000)
            }
        }
    }

    fn check_memory(&self, heap_bytes: usize) -> bool {
        let exceeded = heap_bytes > self.limits.heap_bytes();
        if exceeded {
            self.stop.set(Some(Stop::Memory));
        }
        exceeded
    }
}

/// Makes the interpreter ask the meter.
pub(super) fn attach<'v, 'a>(meter: &Rc<Meter>, heap: Heap<'v>, evaluator: &mut Evaluator<'v, 'a, '_>)
where
    'v: 'a,
{
    let meter = Rc::clone(meter);
    evaluator.set_check_cancelled(Box::new(move || meter.check(heap.allocated_bytes())));
}

/// Follows a call line by line, which is slow: it is used for calls that went wrong before.
pub(super) struct Trace {
    line: Cell<u32>,
    meter: Rc<Meter>,
    /// Where to report lines before they run, for the case that the process does not survive them.
    reports: Option<Rc<File>>,
    reported: Cell<u32>,
    seen: RefCell<HashSet<u32>>,
}

impl Trace {
    pub(super) fn new(meter: &Rc<Meter>, reports: Option<Rc<File>>) -> Rc<Self> {
        Rc::new(Self {
            line: Cell::new(0),
            meter: Rc::clone(meter),
            reports,
            reported: Cell::new(0),
            seen: RefCell::default(),
        })
    }

    /// The line that ran last; 0 before the first.
    pub(super) fn line(&self) -> u32 {
        self.line.get()
    }

    /// Makes the interpreter report to this trace.
    pub(super) fn attach(self: &Rc<Self>, evaluator: &mut Evaluator<'_, '_, '_>) {
        evaluator.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(Follower(Rc::clone(self)))));
    }

    fn arrive(&self, line: u32) {
        self.line.set(line);
        let new = self.seen.borrow_mut().insert(line);
        if !new && self.reported.get() >= REPORTED_LINES {
            return;
        }
        self.reported.set(self.reported.get() + 1);
        if let Some(reports) = &self.reports {
            // A parent that is gone is noticed when the answer is sent.
            let _ = send(&mut &**reports, &Response::Line(line).encode());
        }
    }
}

struct Follower(Rc<Trace>);

impl<'e> BeforeStmtFuncDyn<'e> for Follower {
    fn call<'v>(
        &mut self,
        span: FileSpanRef<'_>,
        _continued: bool,
        evaluator: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        let line = span.resolve_span().begin.line as u32 + 1;
        if line != self.0.line.get() {
            self.0.arrive(line);
        }
        if self.0.meter.check_memory(evaluator.heap().allocated_bytes()) {
            return Err(starlark::Error::new_native(Complaint(self.0.meter.reason(Stop::Memory))));
        }
        Ok(())
    }
}
