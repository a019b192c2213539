//! Connections: frames in order within one, in any order between them, and all gone at once when one is cut.

use std::collections::VecDeque;

use prost::Message;
use sha2::{Digest, Sha256};
use types::wire;

/// Frames under way in both directions.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) to_server: VecDeque<wire::ClientFrame>,
    pub(crate) to_client: VecDeque<wire::ServerFrame>,
}

/// One hash of every byte that went over any wire.
#[derive(Default)]
pub(crate) struct WireHash {
    hash: Sha256,
    pub(crate) frames: u64,
}

impl WireHash {
    pub(crate) fn take_in(&mut self, frame: &impl Message) {
        self.hash.update(frame.encode_length_delimited_to_vec());
        self.frames += 1;
    }

    pub(crate) fn digest(&self) -> String {
        self.hash
            .clone()
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Pipe {
    /// Says entries twice, as a server that is not sure of itself might.
    pub(crate) fn repeat_entries(&mut self) {
        let is_entries =
            |frame: &&wire::ServerFrame| matches!(frame.body, Some(wire::server_frame::Body::Entries(_)));
        if let Some(frame) = self.to_client.iter().find(is_entries).cloned() {
            self.to_client.push_back(frame);
        }
    }

    /// Lets the frames of two logs pass each other; those of one log keep their order.
    pub(crate) fn reorder_entries(&mut self) {
        let log = |frame: &wire::ServerFrame| match &frame.body {
            Some(wire::server_frame::Body::Entries(entries)) => entries.log.clone(),
            _ => None,
        };
        for at in 1..self.to_client.len() {
            let (before, after) = (log(&self.to_client[at - 1]), log(&self.to_client[at]));
            if before.is_some() && after.is_some() && before != after {
                self.to_client.swap(at - 1, at);
                return;
            }
        }
    }
}
