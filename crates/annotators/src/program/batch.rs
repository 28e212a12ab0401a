//! A batch's way through the workers: frames out, replies in, crashes contained.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postil_core::text::Tokenizer;
use postil_core::{Error, ItemBatch, Name, Result, TaskKind};

use super::limits::Limits;
use super::pool::{Worker, Workers};
use super::run::{PART_AFTER, spread};
use super::wire::{Form, Function, Load, Reply, Response, Trouble, encode_evaluate, encode_load};

/// Rows per frame. Frames are cut the same way whatever the number of workers.
const FRAME_ROWS: usize = 2048;
/// Rows that a batch function sees at once.
const BATCH_ROWS: usize = 256;
/// Bytes of text after which a frame is closed early.
const FRAME_BYTES: usize = 4 << 20;

/// A program file, known to the workers by its key.
pub(super) struct File {
    workers: Arc<Workers>,
    key: u32,
    path: PathBuf,
    load: Vec<u8>,
    limits: Limits,
    form: Form,
    labels: usize,
    reads_fields: bool,
}

/// What the functions of a file share about one batch, so that its items travel once for all of them.
pub(super) struct Round {
    /// Kept so that the addresses by which a batch is recognised cannot be used for another.
    batch: Option<ItemBatch>,
    replies: Vec<Option<Vec<Reply>>>,
    asked: Vec<bool>,
    asked_before: Vec<bool>,
}

impl Round {
    pub(super) fn new(functions: usize) -> Self {
        Self {
            batch: None,
            replies: (0..functions).map(|_| None).collect(),
            asked: vec![false; functions],
            asked_before: vec![false; functions],
        }
    }

    /// The replies of one function about a batch. If this function and others were asked about the batch before, the
    /// others are expected to be asked about this one too, and run along.
    pub(super) fn replies(&mut self, file: &File, function: usize, items: &ItemBatch) -> Result<Vec<Reply>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        if !self.batch.as_ref().is_some_and(|batch| is_same(batch, items)) {
            self.batch = Some(items.clone());
            self.replies.fill(None);
            self.asked_before = std::mem::replace(&mut self.asked, vec![false; self.replies.len()]);
        }
        self.asked[function] = true;
        if let Some(replies) = self.replies[function].take() {
            return Ok(replies);
        }
        let along = self.asked_before[function];
        let wanted: Vec<u16> = (0..self.replies.len())
            .filter(|&other| other == function || (along && self.asked_before[other] && !self.asked[other]))
            .map(|function| function as u16)
            .collect();
        for (&function, replies) in wanted.iter().zip(file.evaluate(items, &wanted)?) {
            self.replies[usize::from(function)] = Some(replies);
        }
        Ok(self.replies[function].take().unwrap_or_default())
    }
}

/// Whether two batches are the same memory; `known` is alive, so the same addresses mean the same content.
fn is_same(known: &ItemBatch, other: &ItemBatch) -> bool {
    let columns = known.columns().columns().iter().zip(other.columns().columns());
    known.len() == other.len()
        && std::ptr::eq(known.id(0), other.id(0))
        && std::ptr::eq(known.text(0), other.text(0))
        && known.columns().num_columns() == other.columns().num_columns()
        && columns.into_iter().all(|(left, right)| Arc::ptr_eq(left, right))
}

/// The progress of one batch, shared by the threads that work on it.
struct Progress {
    next: usize,
    /// Replies per frame: function by function, row by row.
    done: Vec<Option<Vec<Vec<Reply>>>>,
    /// The frames before this one are done.
    complete: usize,
    /// How often each function hit a limit in those.
    failures: Vec<usize>,
    error: Option<Error>,
}

impl File {
    /// Has a worker load the program: the file and its functions.
    pub(super) fn open(
        workers: &Arc<Workers>,
        path: &Path,
        source: &str,
        limits: Limits,
        labels: &[Name],
        kind: TaskKind,
        (tokenizer, lists): (Tokenizer, &[(String, String)]),
    ) -> Result<(Self, Vec<Function>)> {
        let key = workers.new_key();
        let load = encode_load(&Load {
            key,
            limits,
            path: &path.to_string_lossy(),
            source,
            kind,
            tokenizer,
            labels: labels.iter().map(|label| &**label).collect(),
            lists: lists.iter().map(|(name, entries)| (name.as_str(), entries.as_str())).collect(),
        });
        let mut file = Self {
            workers: Arc::clone(workers),
            key,
            path: path.to_path_buf(),
            load,
            limits,
            form: Form::Single,
            labels: labels.len(),
            // Fields can be reached only by their name, written out or put together for `getattr`.
            reads_fields: source.contains("fields") || source.contains("getattr"),
        };
        let mut worker = Some(workers.borrow()?);
        let functions = file.load(&mut worker)?;
        if let Some(worker) = worker {
            workers.give_back(worker);
        }
        if functions.first().is_some_and(|function| function.form == Form::Batch) {
            file.form = Form::Batch;
        }
        Ok((file, functions))
    }

    /// The file and a line of it, for messages.
    pub(super) fn place(&self, line: u32) -> String {
        match line {
            0 => self.path.display().to_string(),
            line => format!("{}:{line}", self.path.display()),
        }
    }

    /// The replies of some functions to all items: function by function, row by row.
    fn evaluate(&self, items: &ItemBatch, wanted: &[u16]) -> Result<Vec<Vec<Reply>>> {
        let frames = self.frames(items);
        let columns: Vec<String> = if self.reads_fields {
            items.columns().schema().fields().iter().map(|field| field.name().clone()).collect()
        } else {
            Vec::new()
        };
        let progress = Mutex::new(Progress {
            next: 0,
            done: (0..frames.len()).map(|_| None).collect(),
            complete: 0,
            failures: vec![0; wanted.len()],
            error: None,
        });
        let work = || self.work(items, &frames, wanted, &columns, &progress);
        let threads = self.workers.limit().min(frames.len());
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = progress.error {
            return Err(error);
        }
        let mut replies: Vec<Vec<Reply>> = wanted.iter().map(|_| Vec::with_capacity(items.len())).collect();
        for frame in progress.done.into_iter().flatten() {
            replies.iter_mut().zip(frame).for_each(|(all, part)| all.extend(part));
        }
        for replies in &mut replies {
            self.stop_after_failures(replies, &frames);
        }
        Ok(replies)
    }

    /// Consecutive rows, cut by number and size.
    fn frames(&self, items: &ItemBatch) -> Vec<Range<usize>> {
        let most = if self.form == Form::Batch { BATCH_ROWS } else { FRAME_ROWS };
        let mut frames = Vec::new();
        let (mut start, mut bytes) = (0, 0);
        for row in 0..items.len() {
            let size = items.text(row).len();
            if row > start && (row - start == most || bytes + size > FRAME_BYTES) {
                frames.push(start..row);
                (start, bytes) = (row, 0);
            }
            bytes += size;
        }
        frames.push(start..items.len());
        frames
    }

    /// What is beyond the last failure that is allowed was perhaps run, perhaps not, as the threads had it: it is
    /// answered as not run, in every case.
    fn stop_after_failures(&self, replies: &mut [Reply], frames: &[Range<usize>]) {
        let allowed = usize::from(self.limits.failures);
        let mut limits = replies.iter().enumerate().filter(|(_, reply)| matches!(reply, Reply::Limit(_)));
        let Some((last, Reply::Limit(trouble))) = limits.nth(allowed - 1) else { return };
        let reason = format!(
            "not run, since the function had failed in this way {allowed} times in the batch, the last time: {}",
            trouble.reason
        );
        let skipped = Reply::Failed(Trouble { line: trouble.line, reason });
        let end = match self.form {
            Form::Single | Form::Spans | Form::Tags => last + 1,
            // A batch function failed for all the rows of its call.
            Form::Batch => frames.iter().map(|frame| frame.end).find(|&end| end > last).unwrap_or(replies.len()),
        };
        replies[end..].fill(skipped);
    }

    /// One thread's work: frame after frame with one worker, until there are no more.
    fn work(
        &self,
        items: &ItemBatch,
        frames: &[Range<usize>],
        wanted: &[u16],
        columns: &[String],
        progress: &Mutex<Progress>,
    ) {
        let lock = || -> MutexGuard<'_, Progress> { progress.lock().unwrap_or_else(PoisonError::into_inner) };
        let mut worker = match self.workers.borrow() {
            Ok(worker) => Some(worker),
            Err(error) => {
                lock().error.get_or_insert(error);
                return;
            }
        };
        let mut buffer = Vec::new();
        loop {
            let (number, mut calls) = {
                let mut progress = lock();
                let number = progress.next;
                if number >= frames.len() || progress.error.is_some() {
                    break;
                }
                progress.next += 1;
                let allowed = |failures: &usize| usize::from(self.limits.failures).saturating_sub(*failures) as u16;
                let calls =
                    wanted.iter().zip(&progress.failures).map(|(&function, failed)| (function, allowed(failed)));
                (number, calls.collect::<Vec<_>>())
            };
            let result = self.frame(&mut worker, items, frames[number].clone(), &mut calls, columns, &mut buffer);
            let mut progress = lock();
            match result {
                Ok(replies) => progress.finish(number, replies),
                Err(error) => {
                    progress.error.get_or_insert(error);
                }
            }
        }
        if let Some(worker) = worker {
            worker.at_ease();
            self.workers.give_back(worker);
        }
    }

    /// The replies to one frame, function by function.
    fn frame(
        &self,
        worker: &mut Option<Worker>,
        items: &ItemBatch,
        rows: Range<usize>,
        calls: &mut [(u16, u16)],
        columns: &[String],
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Vec<Reply>>> {
        let mut replies: Vec<Vec<Reply>> = calls.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        let mut row = rows.start;
        while row < rows.end {
            if calls.iter().all(|&(_, allowed)| allowed == 0) {
                for replies in &mut replies {
                    replies.resize(rows.len(), Reply::NotRun);
                }
                break;
            }
            self.load_if_needed(worker)?;
            let Some(alive) = worker.as_mut() else { break };
            *buffer = encode_evaluate(std::mem::take(buffer), (self.key, false, calls), items, row..rows.end, columns);
            let patience = self.patience();
            let answer = self
                .workers
                .ask(alive, buffer, patience)
                .ok()
                .and_then(|()| self.workers.hear(alive, buffer, patience))
                .and_then(|frame| Response::decode(frame, calls.len(), rows.end - row, self.labels));
            let Some(Response::Replies { rows: answered @ 1.., replies: new }) = answer else {
                self.frame_carefully(worker, items, row..rows.end, calls, columns, &mut replies)?;
                break;
            };
            for (place, reply) in new.into_iter().enumerate() {
                let place = place % calls.len();
                if matches!(reply, Reply::Limit(_)) {
                    calls[place].1 = calls[place].1.saturating_sub(1);
                }
                replies[place].push(reply);
            }
            row += answered as usize;
        }
        Ok(replies)
    }

    /// After a crash: one function at a time, so that only the item that kills the worker is lost, and its line is
    /// known.
    fn frame_carefully(
        &self,
        worker: &mut Option<Worker>,
        items: &ItemBatch,
        rows: Range<usize>,
        calls: &mut [(u16, u16)],
        columns: &[String],
        replies: &mut [Vec<Reply>],
    ) -> Result<()> {
        self.replace(worker)?;
        let mut buffer = Vec::new();
        for (call, replies) in calls.iter_mut().zip(replies) {
            let mut row = rows.start;
            while row < rows.end {
                if call.1 == 0 {
                    replies.extend((row..rows.end).map(|_| Reply::NotRun));
                    break;
                }
                self.load_if_needed(worker)?;
                let Some(alive) = worker.as_mut() else { return Ok(()) };
                buffer = encode_evaluate(buffer, (self.key, true, &[*call]), items, row..rows.end, columns);
                let patience = self.patience();
                let mut line = 0;
                let mut alive_still = self.workers.ask(alive, &buffer, patience).is_ok();
                while alive_still && row < rows.end {
                    let heard = self.workers.hear(alive, &mut buffer, patience);
                    match heard.and_then(|frame| Response::decode(frame, 1, rows.end - row, self.labels)) {
                        Some(Response::Line(next)) => line = next,
                        Some(Response::Replies { rows: answered @ 1.., replies: new }) => {
                            let failed = new.iter().filter(|reply| matches!(reply, Reply::Limit(_))).count();
                            call.1 = call.1.saturating_sub(failed as u16);
                            replies.extend(new);
                            row += answered as usize;
                            line = 0;
                        }
                        _ => alive_still = false,
                    }
                }
                if row < rows.end {
                    let reason = alive.last_words(&self.limits);
                    let lost = if self.form == Form::Batch { rows.end - row } else { 1 };
                    replies.extend(spread(Reply::Limit(Trouble { line, reason }), lost));
                    call.1 -= 1;
                    row += lost;
                    self.replace(worker)?;
                }
            }
        }
        Ok(())
    }

    fn replace(&self, worker: &mut Option<Worker>) -> Result<()> {
        if let Some(dead) = worker.take() {
            *worker = Some(self.workers.replace(dead)?);
        }
        Ok(())
    }

    fn load_if_needed(&self, worker: &mut Option<Worker>) -> Result<()> {
        if worker.as_ref().is_some_and(|worker| !worker.has_loaded(self.key)) {
            self.load(worker)?;
        }
        Ok(())
    }

    /// Has the worker load the program.
    fn load(&self, worker: &mut Option<Worker>) -> Result<Vec<Function>> {
        let Some(alive) = worker.as_mut() else { return Ok(Vec::new()) };
        let patience = self.patience();
        let mut buffer = Vec::new();
        let mut line = 0;
        let mut heard = self.workers.ask(alive, &self.load, patience).is_ok();
        while heard {
            let answer = self.workers.hear(alive, &mut buffer, patience);
            match answer.and_then(|frame| Response::decode(frame, 0, 0, self.labels)) {
                Some(Response::Line(next)) => line = next,
                Some(Response::Loaded(functions)) => {
                    alive.note_loaded(self.key);
                    alive.at_ease();
                    return Ok(functions);
                }
                Some(Response::NotLoaded(trouble)) => {
                    alive.at_ease();
                    if let Some(worker) = worker.take() {
                        self.workers.give_back(worker);
                    }
                    return Err(self.error(&trouble));
                }
                _ => heard = false,
            }
        }
        let reason = alive.last_words(&self.limits);
        *worker = None;
        self.workers.forget();
        Err(self.error(&Trouble { line, reason }))
    }

    fn error(&self, trouble: &Trouble) -> Error {
        let error = Error::input(trouble.reason.clone()).in_file(&self.path);
        if trouble.line == 0 { error } else { error.at_line(u64::from(trouble.line)) }
    }

    /// How long an answer may take on a machine that is busy with other things; what the program itself may take is
    /// watched by the worker and by the system, in processor time.
    fn patience(&self) -> Duration {
        let factor = if self.form == Form::Batch { Limits::BATCH_FACTOR } else { 1 };
        let seconds = self.limits.seconds_per_item.saturating_mul(factor).max(10);
        PART_AFTER + Duration::from_secs(seconds.saturating_mul(4).saturating_add(20))
    }
}

impl Progress {
    fn finish(&mut self, number: usize, replies: Vec<Vec<Reply>>) {
        self.done[number] = Some(replies);
        while let Some(Some(frame)) = self.done.get(self.complete) {
            for (failures, replies) in self.failures.iter_mut().zip(frame) {
                *failures += replies.iter().filter(|reply| matches!(reply, Reply::Limit(_))).count();
            }
            self.complete += 1;
        }
    }
}
