//! Where the objects are.

use std::fmt;
use std::io;

/// A bucket of an object store that speaks S3.
#[derive(Clone, Debug)]
pub struct S3 {
    /// `https://host[:port]`, or `http://` within a network that may read which blobs are fetched.
    pub endpoint: String,
    /// The bucket, which is there already.
    pub bucket: String,
    /// What the operator of the store calls the place; many do not care.
    pub region: String,
    /// What the keys of the objects begin with, without a slash at its end; empty for nothing.
    pub prefix: String,
    /// The bucket's name is part of the host's, as Amazon has it, and not of the path.
    pub virtual_host: bool,
    /// Who asks.
    pub credentials: Credentials,
}

/// An access key.
#[derive(Clone)]
pub struct Credentials {
    /// Its public part.
    pub key_id: String,
    /// Its secret one.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([redacted])")
    }
}

/// Why the object store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What was said of it makes no sense.
    #[error("the object store is not described right")]
    Config(#[source] object_store::Error),
    /// It does not answer, or not as it should.
    #[error("could not list the bucket {bucket} at {endpoint}: look at its name, the region and the key")]
    Unreachable {
        /// The bucket.
        bucket: String,
        /// Where it was looked for.
        endpoint: String,
        /// Why it failed.
        source: storage::Error,
    },
    /// The system gives no threads.
    #[error("could not start the threads of the object store")]
    Runtime(#[source] io::Error),
}
