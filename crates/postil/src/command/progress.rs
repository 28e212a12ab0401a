//! Progress with rate and time left, on a terminal only, and the wish to stop.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::Watch;

static STOP: AtomicBool = AtomicBool::new(false);

/// Draws a bar on standard error if a person is looking, and hears Ctrl-C.
pub(super) struct Progress {
    bar: Mutex<ProgressBar>,
    visible: bool,
}

impl Progress {
    /// Starts listening for Ctrl-C: the first asks to stop cleanly, the second ends at once.
    pub(super) fn new() -> Self {
        // Fails only if a handler is installed already, in which case it is this one.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                // The second Ctrl-C means at once; the ledger survives it.
                std::process::exit(130);
            }
        });
        let visible = std::io::stderr().is_terminal();
        Self { bar: Mutex::new(ProgressBar::hidden()), visible }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Ok(bar) = self.bar.lock() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn stage(&self, name: &str, total: Option<u64>) {
        let Ok(mut bar) = self.bar.lock() else { return };
        bar.finish_and_clear();
        if !self.visible {
            return;
        }
        let (fresh, template) = match total {
            Some(total) => {
                (ProgressBar::new(total), "{msg:24} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left")
            }
            None => (ProgressBar::no_length(), "{msg:24} {human_pos} done, {per_sec}, {elapsed}"),
        };
        fresh.set_draw_target(ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            fresh.set_style(style);
        }
        fresh.set_message(name.to_owned());
        *bar = fresh;
    }

    fn advance(&self, count: u64) {
        if let Ok(bar) = self.bar.lock() {
            bar.inc(count);
        }
    }

    fn stopped(&self) -> bool {
        STOP.load(Ordering::SeqCst)
    }

    fn note(&self, text: &str) {
        self.finish();
        super::output::remark(&format!("note: {text}"));
    }
}
