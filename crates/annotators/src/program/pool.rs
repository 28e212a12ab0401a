//! Worker processes: started when needed, kept alive, killed when overdue, replaced when they die.

use std::collections::HashSet;
use std::io::{self, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use postil_core::{Error, Result};

use super::limits::Limits;
use super::wire::{HELLO, receive, send};
use crate::WorkerCommand;

/// A worker says hello well within this; something else, never.
const HELLO_WITHIN: Duration = Duration::from_mins(1);
/// How often the watch looks for overdue workers.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// How much of a dead worker's last words is read.
const LAST_WORDS: u64 = 4096;

/// The processes that all programs of a project share: at most one per thread, however many programs there are.
pub(crate) struct Workers {
    command: WorkerCommand,
    limit: usize,
    next_key: AtomicU32,
    state: Mutex<State>,
    freed: Condvar,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    running: usize,
}

/// One process and the two ends of the conversation with it.
pub(super) struct Worker {
    process: Arc<Process>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    errors: ChildStderr,
    loaded: HashSet<u32>,
}

struct Process {
    child: Mutex<Child>,
    /// Milliseconds after the watch began; 0 for never.
    deadline: AtomicU64,
    overdue: AtomicBool,
}

struct Watch {
    began: Instant,
    processes: Mutex<Vec<Weak<Process>>>,
    running: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under these locks, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workers {
    pub(crate) fn new(command: WorkerCommand, limit: usize) -> Self {
        let watch = Watch { began: Instant::now(), processes: Mutex::default(), running: AtomicBool::new(false) };
        Self {
            command,
            limit,
            next_key: AtomicU32::new(0),
            state: Mutex::default(),
            freed: Condvar::new(),
            watch: Arc::new(watch),
        }
    }

    /// How many processes there may be.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// A number for a program, unique in this pool.
    pub(super) fn new_key(&self) -> u32 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// An idle worker, or a new one, or the next that is given back.
    pub(super) fn borrow(&self) -> Result<Worker> {
        let mut state = lock(&self.state);
        loop {
            if let Some(worker) = state.idle.pop() {
                return Ok(worker);
            }
            if state.running < self.limit {
                state.running += 1;
                break;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.start().inspect_err(|_| self.forget())
    }

    /// Gives a worker back for others to use.
    pub(super) fn give_back(&self, worker: Worker) {
        lock(&self.state).idle.push(worker);
        self.freed.notify_one();
    }

    /// A new process in the place of a dead one.
    pub(super) fn replace(&self, dead: Worker) -> Result<Worker> {
        drop(dead);
        self.start().inspect_err(|_| self.forget())
    }

    /// A borrowed worker will not come back.
    pub(super) fn forget(&self) {
        lock(&self.state).running -= 1;
        self.freed.notify_one();
    }

    fn start(&self) -> Result<Worker> {
        let failed = |error: io::Error| {
            Error::io(
                format!("the worker `{}` for labelling programs cannot be started", self.command.program.display()),
                error,
            )
        };
        let mut child = Command::new(&self.command.program)
            .args(&self.command.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(io::Error::other("no pipes")));
        };
        let process = Arc::new(Process {
            child: Mutex::new(child),
            deadline: AtomicU64::new(0),
            overdue: AtomicBool::new(false),
        });
        self.watch.add(&process);
        let mut worker = Worker {
            process,
            input,
            output: BufReader::with_capacity(1 << 16, output),
            errors,
            loaded: HashSet::new(),
        };
        self.watch.set(&worker.process, HELLO_WITHIN);
        let mut frame = Vec::new();
        let greeted = receive(&mut worker.output, &mut frame).is_ok_and(|arrived| arrived && frame == HELLO);
        worker.at_ease();
        if greeted {
            return Ok(worker);
        }
        Err(failed(io::Error::other(worker.last_words(&Limits::default())))
            .hint("the command must run `postil_annotators::program_worker`"))
    }

    /// Sends a request, and expects each answer from now on within `patience`.
    pub(super) fn ask(&self, worker: &mut Worker, frame: &[u8], patience: Duration) -> io::Result<()> {
        self.watch.set(&worker.process, patience);
        send(&mut worker.input, frame)
    }

    /// The next frame of the answer; `None` if the worker is dead, or is killed because it takes too long.
    pub(super) fn hear<'f>(&self, worker: &mut Worker, frame: &'f mut Vec<u8>, patience: Duration) -> Option<&'f [u8]> {
        self.watch.set(&worker.process, patience);
        receive(&mut worker.output, frame).is_ok_and(|arrived| arrived).then_some(frame.as_slice())
    }
}

impl Worker {
    /// Nothing is expected of the worker for now.
    pub(super) fn at_ease(&self) {
        self.process.deadline.store(0, Ordering::Relaxed);
    }

    /// Notes that the program is loaded; true if it was not.
    pub(super) fn note_loaded(&mut self, key: u32) -> bool {
        self.loaded.insert(key)
    }

    /// Whether the program is loaded.
    pub(super) fn has_loaded(&self, key: u32) -> bool {
        self.loaded.contains(&key)
    }

    /// Makes sure that the process is dead and says why it died.
    pub(super) fn last_words(&mut self, limits: &Limits) -> String {
        let status = {
            let mut child = lock(&self.process.child);
            // A process that died by itself keeps its own reason: the signal then goes to a corpse.
            let _ = child.kill();
            child.wait().ok()
        };
        let mut words = Vec::new();
        let _ = self.errors.by_ref().take(LAST_WORDS).read_to_end(&mut words);
        let words = String::from_utf8_lossy(&words);
        let memory = format!("needed more than {} MB of memory", limits.memory_mb);
        let said = |part: &str| words.contains(part);
        if self.process.overdue.load(Ordering::Relaxed) {
            return "gave no answer in time and was killed".to_owned();
        }
        if said("memory allocation of") || said("capacity overflow") || said("out of memory") {
            return memory;
        }
        if said("overflowed its stack") {
            return "nested too deeply: the stack overflowed".to_owned();
        }
        // The numbers of these two are the same on every Unix.
        match status.and_then(|status| status.signal()) {
            Some(24) => format!("took more than {} s of processor time in one operation", limits.seconds_per_item),
            Some(9) => "its process was killed from outside".to_owned(),
            Some(signal) => format!("crashed its process (signal {signal})"),
            None => {
                let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or("it ended without a word");
                format!("crashed its process ({})", first.trim())
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut child = lock(&self.process.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Watch {
    fn add(self: &Arc<Self>, process: &Arc<Process>) {
        let mut processes = lock(&self.processes);
        processes.retain(|process| process.strong_count() > 0);
        processes.push(Arc::downgrade(process));
        if !self.running.swap(true, Ordering::Relaxed) {
            let watch = Arc::downgrade(self);
            std::thread::spawn(move || {
                while let Some(watch) = watch.upgrade() {
                    watch.kill_overdue();
                    drop(watch);
                    std::thread::sleep(WATCH_EVERY);
                }
            });
        }
    }

    fn set(&self, process: &Process, patience: Duration) {
        let deadline = (self.began.elapsed() + patience).as_millis() as u64;
        process.deadline.store(deadline.max(1), Ordering::Relaxed);
    }

    fn kill_overdue(&self) {
        let now = self.began.elapsed().as_millis() as u64;
        for process in lock(&self.processes).iter().filter_map(Weak::upgrade) {
            let deadline = process.deadline.load(Ordering::Relaxed);
            if deadline != 0 && deadline < now {
                process.deadline.store(0, Ordering::Relaxed);
                process.overdue.store(true, Ordering::Relaxed);
                let _ = lock(&process.child).kill();
            }
        }
    }
}
