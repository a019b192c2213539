//! What a test writes: hooks that are asked about each frame and each entry.

use types::wire::{ClientFrame, Entry, ServerFrame, client_frame, server_frame};
use types::{DeviceId, LogId};

use super::Stage;

/// Whoever is at the client's end of a connection, as the login says; nobody before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// `handle@realm`, or empty.
    pub address: String,
    /// The device that is logged in.
    pub device: Option<DeviceId>,
}

impl Guest {
    /// Whether the account has this handle.
    pub fn is(&self, handle: &str) -> bool {
        self.address.split('@').next() == Some(handle)
    }
}

/// A frame on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// From a client to the server.
    Ask(ClientFrame),
    /// From the server to a client.
    Say(ServerFrame),
}

impl Frame {
    /// What a client asks.
    pub fn asked(&self) -> Option<&client_frame::Body> {
        match self {
            Self::Ask(frame) => frame.body.as_ref(),
            Self::Say(_) => None,
        }
    }

    /// What the server says.
    pub fn said(&self) -> Option<&server_frame::Body> {
        match self {
            Self::Say(frame) => frame.body.as_ref(),
            Self::Ask(_) => None,
        }
    }
}

impl From<ClientFrame> for Frame {
    fn from(frame: ClientFrame) -> Self {
        Self::Ask(frame)
    }
}

impl From<ServerFrame> for Frame {
    fn from(frame: ServerFrame) -> Self {
        Self::Say(frame)
    }
}

pub(super) type OnAsk = Box<dyn FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> + Send>;
pub(super) type OnAnswer = Box<dyn FnMut(&mut Stage, &Guest, ServerFrame) -> Vec<Frame> + Send>;
pub(super) type OnEntry = Box<dyn FnMut(&Guest, LogId, Entry) -> Vec<Entry> + Send>;

/// What the server does. Scripts see and make frames as the client sees them; numbers of entries are translated where
/// the server is concerned.
pub struct Script {
    pub(super) on_ask: OnAsk,
    pub(super) on_answer: OnAnswer,
    pub(super) on_entry: OnEntry,
}

impl Script {
    /// Passes everything on.
    pub fn honest() -> Self {
        Self {
            on_ask: Box::new(|_, _, frame| vec![frame.into()]),
            on_answer: Box::new(|_, _, frame| vec![frame.into()]),
            on_entry: Box::new(|_, _, entry| vec![entry]),
        }
    }

    /// With this said and asked in the place of each frame of a client.
    #[must_use]
    pub fn on_ask(
        self,
        hook: impl FnMut(&mut Stage, &Guest, ClientFrame) -> Vec<Frame> + Send + 'static,
    ) -> Self {
        Self {
            on_ask: Box::new(hook),
            ..self
        }
    }

    /// With this said and asked in the place of each frame of the server.
    #[must_use]
    pub fn on_answer(
        self,
        hook: impl FnMut(&mut Stage, &Guest, ServerFrame) -> Vec<Frame> + Send + 'static,
    ) -> Self {
        Self {
            on_answer: Box::new(hook),
            ..self
        }
    }

    /// With these entries in the place of each entry that a device is shown for the first time. What numbers they have
    /// does not matter: they are counted on from what the device was shown before.
    #[must_use]
    pub fn on_entry(self, hook: impl FnMut(&Guest, LogId, Entry) -> Vec<Entry> + Send + 'static) -> Self {
        Self {
            on_entry: Box::new(hook),
            ..self
        }
    }
}
