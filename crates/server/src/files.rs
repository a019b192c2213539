//! How many connections the system lets us hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_MIN, FILES_RESERVED};

/// Asks the system for as many files as it gives, and says how many of them may be connections.
pub(crate) fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // The soft limit is low for the sake of programs older than ours; the hard one is what the operator allows.
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
    let files = if raised.is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    let connections = files.map_or(CONNECTIONS_MAX, |files| files.saturating_sub(FILES_RESERVED));
    usize::try_from(connections.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)).expect("a million fits")
}
