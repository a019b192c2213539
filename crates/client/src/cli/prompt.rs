//! Asking the person who sits at the terminal.

use std::io::{self, IsTerminal as _, Read as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::terminal;

/// Longest text that is read from standard input, in bytes.
const LONGEST: u64 = 4096;

/// Whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// Asks a question that only a clear yes affirms.
pub(super) async fn yes(question: &str) -> Result<bool, Failure> {
    terminal::ask(&format!("{question} [y/N] "));
    let typed = read_line().await?;
    Ok(matches!(typed.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line.
pub(super) async fn line(question: &str) -> Result<Zeroizing<String>, Failure> {
    terminal::ask(question);
    read_line().await
}

/// Asks for a line that nobody is to see. Whoever stops waiting has the terminal as it was.
pub(super) async fn hidden_line(question: &str) -> Result<Zeroizing<String>, Failure> {
    let _hidden = Hidden::begin();
    line(question).await
}

/// All of standard input.
pub(super) async fn everything() -> Result<Zeroizing<String>, Failure> {
    blocking(|text| io::stdin().lock().take(LONGEST).read_to_string(text)).await
}

/// Empty at the end of the input.
async fn read_line() -> Result<Zeroizing<String>, Failure> {
    blocking(|text| io::stdin().read_line(text)).await
}

async fn blocking(
    read: impl FnOnce(&mut String) -> io::Result<usize> + Send + 'static,
) -> Result<Zeroizing<String>, Failure> {
    let read = move || {
        let mut text = Zeroizing::new(String::new());
        read(&mut text).map(|_| text)
    };
    let done = tokio::task::spawn_blocking(read).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| Failure::new("input", format!("could not read the input: {error}")))
}

/// While it lasts, what is typed is not shown.
struct Hidden(Option<Termios>);

impl Hidden {
    /// Where the terminal cannot do that, what is typed is shown.
    fn begin() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else {
            return Self(None);
        };
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        match tcsetattr(io::stdin(), OptionalActions::Now, &hidden) {
            Ok(()) => Self(Some(before)),
            Err(_) => Self(None),
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing more can be done for a terminal that is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
