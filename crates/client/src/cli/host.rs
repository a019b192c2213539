//! The machine on which this runs.

/// What a device is called when nobody says otherwise.
const NAMELESS: &str = "computer";

/// The machine's name without its domain, as a name for the device.
pub(super) fn name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    match name.split('.').next().unwrap_or_default().trim() {
        "" | "localhost" | "(none)" => NAMELESS.to_owned(),
        name => name.to_owned(),
    }
}
