//! What clients are told when the store fails.

use types::Refusal;

use crate::Error;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let refusal = match error {
            Error::DiskFull { .. } => Self::disk_full(),
            Error::Overloaded => Self::overloaded(),
            Error::Malformed(_)
            | Error::DeviceTaken
            | Error::Closed
            | Error::Damaged(_)
            | Error::Backend { .. } => Self::store_failed(),
        };
        refusal.because(error)
    }
}
