//! What is told of a file before it is fetched, so that there is something to show and the right room for it: how large a
//! picture is, what it looks like in small and blurred, how long a voice note plays and about how loud it is. And what a
//! picture tells of its maker, taken out.
//!
//! Files come from anybody: nothing here panics, and nothing takes more memory than [`PIXELS`] need.
//!
//! This crate never opens a file, and never reads a clock.

mod blur;
mod metadata;
mod picture;
mod voice;

pub use metadata::without_metadata;
pub use picture::{PIXELS, Picture, picture};
pub use voice::{Voice, voice};
