//! Devices for the tests inside this crate.

use crypto::Rng;
use crypto::testing::{SomeDevice, Someone};
use types::Timestamp;

use crate::Device;

pub(crate) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

pub(crate) fn anna() -> Device {
    let [first, _] = annas_devices();
    first
}

pub(crate) fn boris() -> Device {
    let rng = Rng::from_seed([2; 32]);
    device(&Someone::new("boris@city.example", &rng, NOW).device, &rng)
}

pub(crate) fn annas_devices() -> [Device; 2] {
    let rng = Rng::from_seed([1; 32]);
    let anna = Someone::new("anna@city.example", &rng, NOW);
    let second = anna.another_device(2, &rng, NOW);
    [device(&anna.device, &rng), device(&second, &rng)]
}

fn device(some: &SomeDevice, rng: &Rng) -> Device {
    Device::new(&some.signed, &some.certificate, &some.key, rng.clone(), [])
}
