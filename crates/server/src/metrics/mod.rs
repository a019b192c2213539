//! Numbers about the server, for whoever runs it. They name no one.
//!
//! Written by hand on atomics: a few dozen counters do not earn a dependency.

mod histogram;
mod kind;

use std::fmt::{self, Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use storage_embedded::Stats;
use types::wire::server_frame::Body;
use types::wire::{Accepted, Refusal, RefusalCode, ServerFrame};

pub(crate) use kind::Kind;

use histogram::Histogram;
use kind::{KINDS, OUTCOMES, outcome, outcome_name};

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    accepted: AtomicU64,
    streams: AtomicU64,
    sessions: AtomicU64,
    requests: [Outcomes; KINDS.len()],
    entries: AtomicU64,
    append: Histogram,
}

#[derive(Debug)]
struct Outcomes([AtomicU64; OUTCOMES]);

impl Default for Outcomes {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; OUTCOMES])
    }
}

/// What is counted elsewhere.
pub(crate) struct Elsewhere {
    /// TCP connections that are open.
    pub(crate) connections: usize,
    /// What the store has done.
    pub(crate) store: Stats,
}

/// Something that is there as long as this is, and counted so long.
pub(crate) struct Present {
    metrics: Arc<Metrics>,
    counter: fn(&Metrics) -> &AtomicU64,
}

impl Present {
    fn new(metrics: &Arc<Metrics>, counter: fn(&Metrics) -> &AtomicU64) -> Self {
        counter(metrics).fetch_add(1, Relaxed);
        Self {
            metrics: Arc::clone(metrics),
            counter,
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        (self.counter)(&self.metrics).fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    /// A TCP connection was accepted.
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    /// A WebSocket is open while the value lives.
    pub(crate) fn stream(self: &Arc<Self>) -> Present {
        Present::new(self, |metrics| &metrics.streams)
    }

    /// A device is logged in while the value lives.
    pub(crate) fn session(self: &Arc<Self>) -> Present {
        Present::new(self, |metrics| &metrics.sessions)
    }

    /// A request got its answer, or needed none.
    pub(crate) fn request(&self, kind: Kind, took: Duration, answer: Option<&ServerFrame>) {
        self.requests[kind as usize].0[outcome(answer)].fetch_add(1, Relaxed);
        if let Some(Body::Accepted(Accepted { repeated: false, .. })) =
            answer.and_then(|answer| answer.body.as_ref())
        {
            self.append.observe(took);
        }
    }

    /// Something that was no request at all was refused.
    pub(crate) fn refused(&self, code: RefusalCode) {
        let refusal = Refusal {
            code: code.into(),
            ..Refusal::default()
        };
        let frame = ServerFrame {
            id: 0,
            body: Some(Body::Refusal(refusal)),
        };
        self.request(Kind::Unknown, Duration::ZERO, Some(&frame));
    }

    /// Entries went out.
    pub(crate) fn delivered(&self, entries: usize) {
        self.entries.fetch_add(entries as u64, Relaxed);
    }

    /// Everything in the Prometheus text format, version 0.0.4.
    pub(crate) fn render(&self, elsewhere: &Elsewhere) -> String {
        let mut out = String::new();
        self.write(elsewhere, &mut out)
            .expect("writing to memory does not fail");
        out
    }

    fn write(&self, elsewhere: &Elsewhere, out: &mut String) -> fmt::Result {
        let Elsewhere { connections, store } = elsewhere;
        let gauges = [
            (
                "veche_connections",
                "TCP connections that are open.",
                *connections as u64,
            ),
            (
                "veche_streams",
                "WebSockets that are open.",
                self.streams.load(Relaxed),
            ),
            (
                "veche_sessions",
                "Devices that are logged in.",
                self.sessions.load(Relaxed),
            ),
        ];
        for (name, help, value) in gauges {
            describe(out, name, help, "gauge")?;
            writeln!(out, "{name} {value}")?;
        }
        let counters = [
            (
                "veche_connections_accepted_total",
                "TCP connections since the start.",
                self.accepted.load(Relaxed),
            ),
            (
                "veche_entries_delivered_total",
                "Entries of logs sent to devices.",
                self.entries.load(Relaxed),
            ),
            (
                "veche_store_batches_total",
                "Batches that the store has decided.",
                store.batches,
            ),
            (
                "veche_store_groups_total",
                "Groups of batches, with one sync at most each.",
                store.groups,
            ),
        ];
        for (name, help, value) in counters {
            describe(out, name, help, "counter")?;
            writeln!(out, "{name} {value}")?;
        }
        self.write_requests(out)?;
        let name = "veche_append_seconds";
        describe(
            out,
            name,
            "From a submit's arrival to its acknowledgement, durable.",
            "histogram",
        )?;
        self.append.write(name, out)
    }

    fn write_requests(&self, out: &mut String) -> fmt::Result {
        let name = "veche_requests_total";
        describe(
            out,
            name,
            "Requests, by what was asked and what became of it.",
            "counter",
        )?;
        for (kind, outcomes) in KINDS.iter().zip(&self.requests) {
            for (outcome, count) in outcomes.0.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let outcome = outcome_name(outcome);
                    writeln!(out, "{name}{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}")?;
                }
            }
        }
        Ok(())
    }
}

fn describe(out: &mut String, name: impl Display, help: &str, kind: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}
