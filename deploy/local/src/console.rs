//! What a person sees: lines that are kept, and progress bars that give way to them.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The terminal, shared by everything that reports.
#[derive(Clone)]
pub struct Console {
    bars: MultiProgress,
}

impl Console {
    /// Writes to standard error, so that standard output stays for results.
    pub fn new() -> Self {
        Self { bars: MultiProgress::new() }
    }

    /// One line that stays.
    pub fn say(&self, line: impl AsRef<str>) {
        // Whoever read it may be gone, as in `outcry up | head`; that is no reason to fall.
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
        });
    }

    /// Whether somebody watches.
    pub fn is_terminal() -> bool {
        std::io::stderr().is_terminal()
    }

    /// A bar over bytes whose total grows as downloads begin; a plain line where there is no terminal.
    pub fn bytes(&self, what: &str) -> ProgressBar {
        let style = "{msg} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}";
        self.bar(what, ProgressBar::new(0).with_style(styled(style)))
    }

    /// A bar over `total` steps.
    pub fn steps(&self, what: &str, total: usize) -> ProgressBar {
        let bar = ProgressBar::new(total as u64).with_style(styled("{msg} [{bar:30}] {pos} of {len}, {elapsed}"));
        self.bar(what, bar)
    }

    /// A sign of life beside `what`.
    pub fn spinner(&self, what: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner().with_style(styled("{spinner} {msg} {elapsed}")));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn bar(&self, what: &str, bar: ProgressBar) -> ProgressBar {
        if !Self::is_terminal() {
            self.say(format!("{what} …"));
        }
        let bar = self.bars.add(bar);
        bar.set_message(what.to_owned());
        bar
    }
}

fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
