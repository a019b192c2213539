//! What can happen while a realm runs: a person asks us to stop, the server prints a line, the server ends.
//!
//! All of it comes through one channel, so that whatever we wait for, we never miss being asked to stop.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Ctrl-C, or a supervisor's request.
    Asked(Signal),
    /// The server printed this line.
    Line(String),
    /// The server closed its output: it ends, or has ended.
    Ended,
}

/// Why a realm stops running.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// Somebody asked for it, so it is no failure.
    Asked(Signal),
    /// The server ended by itself.
    Ended,
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Interruption {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// From here on, Ctrl-C and a request to terminate are events, and no longer end this process.
    pub(crate) fn watch_signals() -> Result<Self> {
        let (sender, receiver) = channel();
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("could not watch for Ctrl-C")?;
        let to = sender.clone();
        thread::spawn(move || {
            for signal in signals.forever() {
                let signal = if signal == SIGINT {
                    Signal::INT
                } else {
                    Signal::TERM
                };
                // Nobody listens only when the process is about to end anyway.
                let _ = to.send(Event::Asked(signal));
            }
        });
        Ok(Self { sender, receiver })
    }

    /// Passes the server's output on to ours, and each line to whoever waits.
    pub(crate) fn follow(&self, output: impl Read + Send + 'static) {
        let to = self.sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // A terminal that went away is no reason to stop listening to the server.
                let _ = writeln!(std::io::stdout(), "{line}");
                let _ = to.send(Event::Line(line));
            }
            let _ = to.send(Event::Ended);
        });
    }

    /// The next event; `None` when the time is up.
    pub(crate) fn next_within(&self, wait: Duration) -> Option<Event> {
        self.receiver.recv_timeout(wait).ok()
    }

    /// The next event, however long it takes.
    pub(crate) fn next(&self) -> Event {
        // The sender that `self` holds keeps the channel open.
        self.receiver.recv().unwrap_or(Event::Ended)
    }

    /// Waits this long for an interruption, and lets the server talk meanwhile.
    pub(crate) fn check(&self, wait: Duration) -> Result<(), Interruption> {
        while let Some(event) = self.next_within(wait) {
            match event {
                Event::Asked(signal) => return Err(Interruption::Asked(signal)),
                Event::Ended => return Err(Interruption::Ended),
                Event::Line(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(sent: impl IntoIterator<Item = Event>) -> Events {
        let (sender, receiver) = channel();
        sent.into_iter().for_each(|event| sender.send(event).unwrap());
        Events { sender, receiver }
    }

    #[test]
    fn lines_come_in_order_and_then_the_end() {
        let events = events([]);
        events.follow("one\ntwo\n".as_bytes());
        assert_eq!(events.next(), Event::Line("one".to_owned()));
        assert_eq!(events.next(), Event::Line("two".to_owned()));
        assert_eq!(events.next(), Event::Ended);
    }

    #[test]
    fn a_talking_server_does_not_hide_that_we_were_asked_to_stop() {
        let events = events([Event::Line("busy".to_owned()), Event::Asked(Signal::INT)]);
        let outcome = events.check(Duration::ZERO);
        assert!(
            matches!(outcome, Err(Interruption::Asked(Signal::INT))),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_server_that_ended_is_noticed() {
        let outcome = events([Event::Ended]).check(Duration::ZERO);
        assert!(matches!(outcome, Err(Interruption::Ended)), "{outcome:?}");
    }

    #[test]
    fn silence_is_no_interruption() {
        assert!(events([]).check(Duration::ZERO).is_ok());
    }
}
