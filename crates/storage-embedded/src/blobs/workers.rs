//! A few threads for what waits for the disk. They are our own, so that blobs work under any runtime, or none.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use storage::Error;
use tokio::sync::oneshot;

use crate::OpenError;

/// Enough that a blob which is being synced does not hold up the others.
const THREADS: usize = 4;
/// Most jobs that may wait. Each holds a piece of a blob at most.
const WAITING: usize = 256;

type Job = Box<dyn FnOnce() + Send>;
type Submitted<T> = Result<oneshot::Receiver<Result<T, Error>>, Error>;

pub(super) struct Workers {
    // `None` once it is being dropped.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start() -> Result<Self, OpenError> {
        let (jobs, arriving) = sync_channel(WAITING);
        let arriving = Arc::new(Mutex::new(arriving));
        let threads = (0..THREADS).map(|_| {
            let arriving = Arc::clone(&arriving);
            std::thread::Builder::new()
                .name("blobs".to_owned())
                .spawn(move || work(&arriving))
                .map_err(OpenError::engine("start the writers of the blobs"))
        });
        Ok(Self {
            threads: threads.collect::<Result<_, _>>()?,
            jobs: Some(jobs),
        })
    }

    /// Lets one of the threads do this, also when nobody waits for the answer any more.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Submitted<T> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            let _ = answer.send(job());
        });
        let jobs = self.jobs.as_ref().ok_or(Error::Closed)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => Error::Closed,
        })?;
        Ok(answered)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            // A panic in there was answered as a closed store.
            let _ = thread.join();
        }
    }
}

/// What a job comes to.
pub(super) async fn answer<T>(submitted: Submitted<T>) -> Result<T, Error> {
    submitted?.await.unwrap_or(Err(Error::Closed))
}

fn work(arriving: &Mutex<Receiver<Job>>) {
    loop {
        let job = arriving.lock().expect("no holder of this lock panics").recv();
        let Ok(job) = job else { return };
        job();
    }
}
