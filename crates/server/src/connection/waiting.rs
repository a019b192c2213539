//! Requests that are under way.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use types::{limits, wire};

use crate::http::Guest;
use crate::limits::LOOKUPS_IN_FLIGHT;
use crate::metrics::Kind;

/// A request, while it is answered.
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) began: Instant,
    /// What must not be given back before it is answered.
    pub(super) held: Held,
}

/// The memory of a large frame, and the connection's place: the server does not stop while a request is under way.
pub(super) type Held = (Option<OwnedSemaphorePermit>, Guest);

/// An answer that comes later.
pub(super) type Later = Pin<Box<dyn Future<Output = wire::ServerFrame> + Send + 'static>>;

/// What became of a request.
pub(super) struct Answered {
    pub(super) kind: Kind,
    pub(super) began: Instant,
    pub(super) answer: Result<wire::ServerFrame, JoinError>,
}

/// Requests whose answers come later. Owns no memory while there is none.
///
/// Each runs in a task of its own: when our peer is slow to take what we send, the others still hear of what it did.
#[derive(Default)]
pub(super) struct Waiting(Vec<Pending>);

struct Pending {
    kind: Kind,
    began: Instant,
    task: JoinHandle<wire::ServerFrame>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether another request may be begun.
    pub(super) fn has_room(&self) -> bool {
        let lookups = self
            .0
            .iter()
            .filter(|pending| pending.kind != Kind::Submit)
            .count();
        self.0.len() < limits::REQUESTS_IN_FLIGHT && lookups < LOOKUPS_IN_FLIGHT
    }

    /// Begins a request. Its place among the others is fixed when this returns; what is answered at once is returned.
    pub(super) async fn begin(&mut self, request: Request, mut later: Later) -> Option<Answered> {
        let Request { kind, began, held } = request;
        match poll_fn(|cx| Poll::Ready(later.as_mut().poll(cx))).await {
            Poll::Ready(answer) => Some(Answered {
                kind,
                began,
                answer: Ok(answer),
            }),
            Poll::Pending => {
                let task = tokio::spawn(async move {
                    let answer = later.await;
                    drop(held);
                    answer
                });
                self.0.push(Pending { kind, began, task });
                None
            }
        }
    }

    /// The next answer to come; waits for ever when nothing was asked. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Answered {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Answered> {
        let ready = self.0.iter_mut().enumerate().find_map(|(at, pending)| {
            match Pin::new(&mut pending.task).poll(cx) {
                Poll::Ready(answer) => Some((at, answer)),
                Poll::Pending => None,
            }
        });
        let Some((at, answer)) = ready else {
            return Poll::Pending;
        };
        let Pending { kind, began, .. } = self.0.remove(at);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Poll::Ready(Answered { kind, began, answer })
    }
}
