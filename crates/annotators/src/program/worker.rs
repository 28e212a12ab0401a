//! The worker process: reads requests from standard input, writes responses to standard output.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::rc::Rc;

use starlark::environment::Globals;

use super::host;
use super::limits::{Jail, Limits};
use super::run::{PART_AFTER, Program, Watch, load};
use super::wire::{Evaluate, Form, HELLO, Reply, Request, Response, Trouble, receive, send};

/// The interpreter's stack, the same on every system: deep enough for any depth of calls that it allows.
const STACK_BYTES: usize = 64 << 20;

/// Entry point of the worker process of labelling programs: `postil program-worker`.
///
/// Gives up the right to open files and sockets and to start processes, then answers requests until standard input
/// ends. It is started by [`ProgramAnnotator`](crate::ProgramAnnotator) and is of no use to people.
pub fn program_worker() -> ExitCode {
    let Ok(output) = std::io::stdout().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || serve(File::from(output)));
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn serve(output: File) -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let globals = host::globals();
    let mut worker = Worker { globals, programs: HashMap::new(), jail: Jail::close(), output: Rc::new(output) };
    worker.send(HELLO)?;
    let mut frame = Vec::new();
    while receive(&mut input, &mut frame)? {
        worker.answer(&frame)?;
    }
    Ok(())
}

struct Worker {
    globals: Globals,
    programs: HashMap<u32, Program>,
    jail: Jail,
    output: Rc<File>,
}

impl Worker {
    fn send(&self, frame: &[u8]) -> std::io::Result<()> {
        send(&mut &*self.output, frame)
    }

    fn answer(&mut self, frame: &[u8]) -> std::io::Result<()> {
        match Request::decode(frame) {
            None => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "not a request")),
            Some(Request::Load(request)) => {
                self.jail.allow(request.limits.memory_mb, request.limits.seconds_per_item * 10);
                let response = match load(&request, &self.globals, Some(Rc::clone(&self.output))) {
                    Ok(program) => {
                        let functions = program.functions();
                        self.programs.insert(request.key, program);
                        Response::Loaded(functions)
                    }
                    Err(trouble) => Response::NotLoaded(trouble),
                };
                self.send(&response.encode())
            }
            Some(Request::Evaluate(request)) => match self.programs.get(&request.key) {
                None => {
                    let reason = "the program is not loaded".to_owned();
                    self.send(&Response::NotLoaded(Trouble { line: 0, reason }).encode())
                }
                Some(program) if request.careful => self.carefully(program, &request),
                Some(program) => {
                    let limits = program.limits();
                    self.jail.allow(limits.memory_mb, PART_AFTER.as_secs() + seconds(program, &request));
                    let (rows, replies) = program.run(&request);
                    self.send(&Response::Replies { rows, replies }.encode())
                }
            },
        }
    }

    fn watch(&self) -> Watch {
        Watch::Report(Rc::clone(&self.output))
    }

    /// One function, item by item, each answer sent at once.
    fn carefully(&self, program: &Program, request: &Evaluate<'_>) -> std::io::Result<()> {
        let Some(&(function, mut allowed)) = request.functions.first() else { return Ok(()) };
        let limits = program.limits();
        self.jail.allow(limits.memory_mb, seconds(program, request));
        if program.form(function) == Some(Form::Batch) {
            let replies = program.call_batch(function, request, self.watch());
            return self.send(&Response::Replies { rows: replies.len() as u32, replies }.encode());
        }
        for item in &request.rows {
            let reply = if allowed == 0 {
                Reply::NotRun
            } else {
                self.jail.allow(limits.memory_mb, limits.seconds_per_item);
                program.run_alone(function, item, &request.columns, self.watch())
            };
            if matches!(reply, Reply::Limit(_)) {
                allowed -= 1;
            }
            self.send(&Response::Replies { rows: 1, replies: vec![reply] }.encode())?;
        }
        Ok(())
    }
}

/// What the calls of a request may take in processor time, as far as a single call goes.
fn seconds(program: &Program, request: &Evaluate<'_>) -> u64 {
    let batch = request.functions.iter().any(|&(function, _)| program.form(function) == Some(Form::Batch));
    program.limits().seconds_per_item * if batch { Limits::BATCH_FACTOR } else { 1 }
}
