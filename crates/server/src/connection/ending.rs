//! Why a connection ends, and what the peer is told.

use types::wire::ServerFrame;
use types::wire::server_frame::Body;
use types::{Refusal, limits};

use crate::ws::{CloseCode, Ended, Violation};

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    /// The peer closed it, with this code.
    #[error("the peer closed it")]
    Closed(Option<CloseCode>),
    /// Nothing more can be sent: the peer is gone, or takes nothing.
    #[error("{0}")]
    Lost(Ended),
    /// The peer broke the rules of the transport.
    #[error("the peer broke the protocol: {0}")]
    Violation(Violation),
    /// A message is no frame of the protocol.
    #[error("the peer sent what is no frame")]
    Malformed,
    /// Not logged in in time, or for too long; the frame says which.
    #[error("the session is over, or never began")]
    Expired(Box<ServerFrame>),
    /// The device is its account's no more, or the account is gone; the frame says which.
    #[error("the device was removed")]
    Removed(Box<ServerFrame>),
    /// Nothing arrived for too long.
    #[error("the peer said nothing")]
    Idle,
    /// The server is to stop.
    #[error("the server stops")]
    Stopping,
    /// A request died. The peer cannot know what became of it, and asks again.
    #[error("a request died")]
    Died,
}

/// The last things that a peer is told.
pub(super) struct Farewell {
    pub(super) frame: Option<ServerFrame>,
    pub(super) code: Option<CloseCode>,
    pub(super) reason: String,
}

impl Ending {
    /// What the peer is told; `None` when it cannot be told anything.
    pub(super) fn farewell(&self) -> Option<Farewell> {
        let close = |code, reason: &str| {
            Some(Farewell {
                frame: None,
                code: Some(code),
                reason: reason.to_owned(),
            })
        };
        match self {
            Self::Lost(_) => None,
            Self::Closed(code) => Some(Farewell {
                frame: None,
                code: *code,
                reason: String::new(),
            }),
            Self::Violation(violation) => Some(Farewell {
                frame: refusal(*violation).map(unasked),
                code: Some(violation.close_code()),
                reason: violation.to_string(),
            }),
            Self::Malformed => Some(Farewell {
                frame: Some(unasked(Refusal::malformed("it is no ClientFrame"))),
                code: Some(CloseCode::Invalid),
                reason: "this is no ClientFrame".to_owned(),
            }),
            Self::Expired(frame) => Some(Farewell {
                frame: Some(frame.as_ref().clone()),
                code: Some(CloseCode::Policy),
                reason: "log in".to_owned(),
            }),
            Self::Removed(frame) => Some(Farewell {
                frame: Some(frame.as_ref().clone()),
                code: Some(CloseCode::Policy),
                reason: "this device was removed".to_owned(),
            }),
            Self::Idle => close(CloseCode::Away, "nothing arrived for too long"),
            Self::Stopping => close(CloseCode::Restart, "the server stops; come back soon"),
            Self::Died => close(CloseCode::Error, "a request died; ask again"),
        }
    }
}

impl From<Ended> for Ending {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Violation(violation) => Self::Violation(violation),
            ended => Self::Lost(ended),
        }
    }
}

/// The refusal that comes before closing, where there is a code for it.
fn refusal(violation: Violation) -> Option<Refusal> {
    match violation {
        Violation::TooLarge { limit } if limit < limits::FRAME_BYTES => {
            Some(Refusal::too_large("A frame before login", limit, "bytes"))
        }
        Violation::TooLarge { limit } => Some(Refusal::too_large("A frame", limit, "bytes")),
        Violation::NoRoom => Some(Refusal::overloaded()),
        Violation::Protocol(_) | Violation::Text | Violation::NotUtf8 => None,
    }
}

/// Answers nothing in particular: the request could not be read so far as its id.
fn unasked(refusal: Refusal) -> ServerFrame {
    ServerFrame {
        id: 0,
        body: Some(Body::Refusal(refusal.into_wire())),
    }
}
