//! Loading a program and calling its functions, inside the worker.

use std::fs::File;
use std::rc::Rc;
use std::time::{Duration, Instant};

use postil_core::TaskKind;
use postil_core::text::Tokenizer;
use starlark::PrintHandler;
use starlark::environment::{FrozenModule, Globals, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect, DialectTypes};
use starlark::values::list::{AllocList, ListRef};
use starlark::values::tuple::TupleRef;
use starlark::values::{Heap, OwnedFrozenValue, Value};

use super::answer::{Labels, clip};
use super::host::{ItemValue, lists_value};
use super::limits::Limits;
use super::meter::{Meter, Trace, attach};
use super::spans::SpanReader;
use super::wire::{Evaluate, Form, Function, ItemText, Load, Reply, Trouble};

/// Deeper calls are refused by the interpreter, with the line.
const CALL_DEPTH: usize = 200;
/// Under this name a program finds the lists that the project gives it.
pub(super) const LISTS: &str = "LISTS";
/// The values of past calls are thrown away when they take more than this.
const HEAP_TO_RECYCLE: usize = 2_000_000;
/// A fast request is answered in part when it has taken this long, so that the parent knows that all is well.
pub(super) const PART_AFTER: Duration = Duration::from_secs(1);

/// A program ready to be called.
pub(super) struct Program {
    module: FrozenModule,
    functions: Vec<(Function, OwnedFrozenValue)>,
    labels: Labels,
    /// In tasks about spans and tags.
    spans: Option<SpanReader>,
    /// Whether the functions may look at tokens; cutting texts into them takes longer than most functions.
    reads_tokens: bool,
    limits: Limits,
}

/// Whether a call is followed line by line.
#[derive(Clone)]
pub(super) enum Watch {
    No,
    /// For the line of what goes wrong.
    Lines,
    /// Every line is reported before it runs, for calls that may end the process.
    Report(Rc<File>),
}

struct Silent;

impl PrintHandler for Silent {
    fn println(&self, _text: &str) -> starlark::Result<()> {
        Ok(())
    }
}

/// Reads the source, runs its top level once and finds its functions.
pub(super) fn load(load: &Load<'_>, globals: &Globals, reports: Option<Rc<File>>) -> Result<Program, Trouble> {
    let dialect = Dialect {
        enable_load: false,
        enable_load_reexport: false,
        enable_keyword_only_arguments: true,
        enable_types: DialectTypes::ParseOnly,
        enable_top_level_stmt: true,
        enable_f_strings: true,
        ..Dialect::Standard
    };
    let tree = AstModule::parse(load.path, load.source.to_owned(), &dialect).map_err(|error| trouble(&error))?;
    let module = Module::with_temp_heap(|module| {
        let meter = Meter::new(load.limits, Limits::BATCH_FACTOR);
        let trace = Trace::new(&meter, reports);
        if !load.lists.is_empty() {
            module.set(LISTS, lists_value(&load.lists, module.heap()));
        }
        {
            let mut evaluator = evaluator(&module, &meter)?;
            trace.attach(&mut evaluator);
            let result = evaluator.eval_module(tree, globals);
            if let Some(stop) = meter.finish(evaluator.get_total_tick_count()) {
                return Err(Trouble { line: trace.line(), reason: meter.reason(stop) });
            }
            result.map_err(|error| trouble(&error))?;
        }
        module.freeze().map_err(|error| Trouble { line: 0, reason: clip(&error.err_msg) })
    })?;
    let on_tokens = matches!(load.kind, TaskKind::Spans | TaskKind::Tag);
    let functions = functions(&module, on_tokens)?;
    let labels = Labels::new(&load.labels, load.kind);
    let spans = on_tokens.then(|| SpanReader::new(&load.labels, load.kind, load.tokenizer)).flatten();
    // Tokens can be reached only by their name, written out or put together for `getattr`.
    let reads_tokens = load.source.contains("tokens") || load.source.contains("getattr");
    Ok(Program { module, functions, labels, spans, reads_tokens, limits: load.limits })
}

/// `label`, or `labels`, or any number of `label_SOMETHING`, in the order of their names; in tasks about spans and tags
/// `spans`, or `tags`, or any number of `spans_SOMETHING` and `tags_SOMETHING`.
fn functions(module: &FrozenModule, on_tokens: bool) -> Result<Vec<(Function, OwnedFrozenValue)>, Trouble> {
    let mut functions = Vec::new();
    for name in module.names() {
        let Some((suffix, form)) = called(name.as_str(), on_tokens) else { continue };
        let Ok(value) = module.get(name.as_str()) else { continue };
        if value.value().get_type() == "function" {
            functions.push((Function { suffix: suffix.to_owned(), form }, value));
        }
    }
    functions.sort_by(|left, right| left.0.suffix.cmp(&right.0.suffix));
    let whole = functions.iter().filter(|(function, _)| function.suffix.is_empty()).count();
    let refuse = |reason: &str| Err(Trouble { line: 0, reason: reason.to_owned() });
    if on_tokens {
        let doubled = functions.windows(2).find(|pair| pair[0].0.suffix == pair[1].0.suffix);
        return match (functions.len(), whole) {
            (0, _) => refuse(
                "expected a function `spans(item)`, `tags(item)`, `spans_SOMETHING(item)` or `tags_SOMETHING(item)`, found \
                 none",
            ),
            _ if doubled.is_some() => refuse("expected either `spans` or `tags` for one name, found both"),
            (_, 0) | (1, 1) => Ok(functions),
            _ => refuse(
                "expected either one function or several named `spans_SOMETHING` or `tags_SOMETHING`, found both; the \
                 name of a helper must not begin so",
            ),
        };
    }
    match (functions.len(), whole) {
        (0, _) => refuse("expected a function `label(item)`, `labels(items)` or `label_SOMETHING(item)`, found none"),
        (_, 0) | (1, 1) => Ok(functions),
        (2, 2) => refuse("expected one of `label` and `labels`, found both"),
        _ => refuse(
            "expected either one function `label` or several named `label_SOMETHING`, found both; the name of a helper \
             must not begin with `label_`",
        ),
    }
}

/// The name and the form of an annotating function; `None` for a helper.
fn called(name: &str, on_tokens: bool) -> Option<(&str, Form)> {
    if on_tokens {
        return match name {
            "spans" => Some(("", Form::Spans)),
            "tags" => Some(("", Form::Tags)),
            _ => match (name.strip_prefix("spans_"), name.strip_prefix("tags_")) {
                (Some(suffix), _) if !suffix.is_empty() => Some((suffix, Form::Spans)),
                (_, Some(suffix)) if !suffix.is_empty() => Some((suffix, Form::Tags)),
                _ => None,
            },
        };
    }
    match name {
        "label" => Some(("", Form::Single)),
        "labels" => Some(("", Form::Batch)),
        _ => name.strip_prefix("label_").filter(|suffix| !suffix.is_empty()).map(|suffix| (suffix, Form::Single)),
    }
}

fn evaluator<'v, 'a, 'e: 'a>(module: &'a Module<'v>, meter: &Rc<Meter>) -> Result<Evaluator<'v, 'a, 'e>, Trouble> {
    let mut evaluator = Evaluator::new(module);
    evaluator
        .set_max_callstack_size(CALL_DEPTH)
        .map_err(|error| Trouble { line: 0, reason: clip(&error.to_string()) })?;
    evaluator.set_print_handler(&Silent);
    attach(meter, module.heap(), &mut evaluator);
    Ok(evaluator)
}

impl Program {
    pub(super) fn functions(&self) -> Vec<Function> {
        self.functions.iter().map(|(function, _)| function.clone()).collect()
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Calls the functions on the rows, at full speed, until all are done or [`PART_AFTER`] is over: how many rows are
    /// done, and the replies row by row.
    pub(super) fn run(&self, request: &Evaluate<'_>) -> (u32, Vec<Reply>) {
        let mut allowed: Vec<u16> = request.functions.iter().map(|&(_, allowed)| allowed).collect();
        let mut replies = Vec::with_capacity(request.rows.len() * allowed.len());
        if let [(function, allowed)] = request.functions[..]
            && self.form(function) == Some(Form::Batch)
        {
            return (request.rows.len() as u32, self.run_batch(function, allowed, request));
        }
        let begun = Instant::now();
        let mut row = 0;
        while row < request.rows.len() && (row == 0 || begun.elapsed() < PART_AFTER) {
            row = self.run_on_one_heap(request, row, &mut allowed, begun, &mut replies);
        }
        (row as u32, replies)
    }

    /// How a function wants its items.
    pub(super) fn form(&self, function: u16) -> Option<Form> {
        self.functions.get(usize::from(function)).map(|(function, _)| function.form)
    }

    /// Calls on from `row` until the heap should be thrown away; the next row.
    fn run_on_one_heap(
        &self,
        request: &Evaluate<'_>,
        mut row: usize,
        allowed: &mut [u16],
        begun: Instant,
        replies: &mut Vec<Reply>,
    ) -> usize {
        Module::with_temp_heap(|module| {
            let heap = module.heap();
            let meter = Meter::new(self.limits, 1);
            let mut evaluator = match evaluator(&module, &meter) {
                Ok(evaluator) => evaluator,
                Err(trouble) => {
                    replies.extend(request.functions.iter().map(|_| Reply::Failed(trouble.clone())));
                    return row + 1;
                }
            };
            let functions: Vec<Option<Value<'_>>> =
                request.functions.iter().map(|&(function, _)| self.value(function, heap)).collect();
            let names = ItemValue::names(&request.columns, heap);
            while let Some(item) = request.rows.get(row) {
                let value = self.item(item, names, heap);
                let mut stopped = false;
                for (place, function) in functions.iter().enumerate() {
                    let Some(function) = *function else {
                        replies.push(Reply::Failed(Trouble { line: 0, reason: "no such function".to_owned() }));
                        continue;
                    };
                    if allowed[place] == 0 {
                        replies.push(Reply::NotRun);
                        continue;
                    }
                    let before = evaluator.get_total_tick_count();
                    meter.begin();
                    let result = evaluator.eval_function(function, &[value], &[]);
                    let steps = evaluator.get_total_tick_count() - before;
                    stopped |= meter.finish(steps).is_some();
                    let reply = match (meter.finish(steps), result) {
                        (None, Ok(answer)) => self.read(request.functions[place].0, answer, heap, item).ok(),
                        (None, Err(error)) => Some(Reply::Failed(trouble(&error))),
                        (Some(_), _) => None,
                    };
                    // What went wrong is done once more, alone and watched: what it says then depends on this item
                    // only, and it says on which line.
                    let reply = reply.unwrap_or_else(|| {
                        self.run_alone(request.functions[place].0, item, &request.columns, Watch::Lines)
                    });
                    if matches!(reply, Reply::Limit(_)) {
                        allowed[place] -= 1;
                    }
                    replies.push(reply);
                }
                row += 1;
                if stopped || heap.allocated_bytes() > HEAP_TO_RECYCLE || begun.elapsed() >= PART_AFTER {
                    break;
                }
            }
            row
        })
    }

    /// Puts an item on the heap, with its tokens if the program may look at them.
    fn item<'v>(&self, item: &ItemText<'_>, names: Value<'v>, heap: Heap<'v>) -> Value<'v> {
        let tokenizer = self.spans.as_ref().map_or(Tokenizer::Words, SpanReader::tokenizer);
        ItemValue::alloc(item, names, self.reads_tokens.then_some(tokenizer), heap)
    }

    /// Reads what a function returned for an item.
    fn read<'v>(&self, function: u16, answer: Value<'v>, heap: Heap<'v>, item: &ItemText<'_>) -> Result<Reply, String> {
        match (&self.spans, self.form(function)) {
            (Some(spans), Some(form)) => spans.read(form, answer, heap, item),
            _ => self.labels.read(answer, heap),
        }
    }

    fn value<'v>(&self, function: u16, heap: Heap<'v>) -> Option<Value<'v>> {
        let (_, value) = self.functions.get(usize::from(function))?;
        heap.add_reference(self.module.frozen_heap());
        Some(heap.access_owned_frozen_value(value))
    }

    /// Calls one function on one item, on a heap of its own, line by line.
    pub(super) fn run_alone(&self, function: u16, item: &ItemText<'_>, columns: &[&str], watch: Watch) -> Reply {
        self.call(
            function,
            1,
            watch,
            |heap| {
                let names = ItemValue::names(columns, heap);
                self.item(item, names, heap)
            },
            |answer, heap, line| {
                self.read(function, answer, heap, item)
                    .unwrap_or_else(|reason| Reply::Malformed(Trouble { line, reason }))
            },
        )
    }

    /// Calls a batch function once; if that goes wrong once more, watched.
    fn run_batch(&self, function: u16, allowed: u16, request: &Evaluate<'_>) -> Vec<Reply> {
        if allowed == 0 {
            return vec![Reply::NotRun; request.rows.len()];
        }
        let replies = self.call_batch(function, request, Watch::No);
        if replies.iter().any(|reply| matches!(reply, Reply::Limit(_) | Reply::Malformed(_))) {
            return self.call_batch(function, request, Watch::Lines);
        }
        replies
    }

    /// Calls a batch function on all rows of a request: one reply per row.
    pub(super) fn call_batch(&self, function: u16, request: &Evaluate<'_>, watch: Watch) -> Vec<Reply> {
        let rows = request.rows.len();
        let mut replies = Vec::with_capacity(rows);
        let common = self.call(
            function,
            Limits::BATCH_FACTOR,
            watch,
            |heap| {
                let names = ItemValue::names(&request.columns, heap);
                heap.alloc(AllocList(request.rows.iter().map(|item| self.item(item, names, heap))))
            },
            |answers, heap, line| {
                let malformed = |reason| Reply::Malformed(Trouble { line, reason });
                let list = ListRef::from_value(answers).map(ListRef::content);
                let Some(answers) = list.or_else(|| TupleRef::from_value(answers).map(TupleRef::content)) else {
                    return malformed(format!("expected a list of {rows} answers, found {}", answers.get_type()));
                };
                if answers.len() != rows {
                    return malformed(format!("expected {rows} answers, one per item, found {}", answers.len()));
                }
                replies.extend(answers.iter().map(|&answer| self.labels.read(answer, heap).unwrap_or_else(malformed)));
                Reply::Abstain
            },
        );
        if replies.len() == rows { replies } else { spread(common, rows) }
    }

    /// Calls a function on a heap of its own; `watch` follows it line by line and may report the lines.
    fn call(
        &self,
        function: u16,
        factor: u64,
        watch: Watch,
        argument: impl for<'v> FnOnce(Heap<'v>) -> Value<'v>,
        read: impl for<'v> FnOnce(Value<'v>, Heap<'v>, u32) -> Reply,
    ) -> Reply {
        Module::with_temp_heap(|module| {
            let heap = module.heap();
            let meter = Meter::new(self.limits, factor);
            let (watched, reports) = match watch {
                Watch::No => (false, None),
                Watch::Lines => (true, None),
                Watch::Report(reports) => (true, Some(reports)),
            };
            let trace = Trace::new(&meter, reports);
            let mut evaluator = match evaluator(&module, &meter) {
                Ok(evaluator) => evaluator,
                Err(trouble) => return Reply::Failed(trouble),
            };
            if watched {
                trace.attach(&mut evaluator);
            }
            let Some(function) = self.value(function, heap) else {
                return Reply::Failed(Trouble { line: 0, reason: "no such function".to_owned() });
            };
            let argument = argument(heap);
            meter.begin();
            let result = evaluator.eval_function(function, &[argument], &[]);
            if let Some(stop) = meter.finish(evaluator.get_total_tick_count()) {
                return Reply::Limit(Trouble { line: trace.line(), reason: meter.reason(stop) });
            }
            match result {
                Ok(answer) => read(answer, heap, trace.line()),
                Err(error) => Reply::Failed(trouble(&error)),
            }
        })
    }
}

/// One reply for all rows of a call; a limit counts once.
pub(super) fn spread(reply: Reply, rows: usize) -> Vec<Reply> {
    let rest = match &reply {
        Reply::Limit(trouble) => Reply::Failed(trouble.clone()),
        other => other.clone(),
    };
    let mut replies = vec![rest; rows];
    if let Some(first) = replies.first_mut() {
        *first = reply;
    }
    replies
}

/// The line and the message of an interpreter's error.
fn trouble(error: &starlark::Error) -> Trouble {
    let innermost = error.call_stack().frames.iter().rev().find_map(|frame| frame.location.as_ref());
    let line = error.span().or(innermost).map_or(0, |span| span.resolve_span().begin.line as u32 + 1);
    let text = error.without_diagnostic().to_string();
    let reason = match error.kind() {
        starlark::ErrorKind::StackOverflow(_) => format!("recursion deeper than {CALL_DEPTH} calls"),
        _ => clip(text.trim_start_matches("error: ").trim()),
    };
    Trouble { line, reason }
}
