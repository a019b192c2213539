use super::*;

fn check(hex: &str, expected: Result<(), Error>) {
    let bytes = hex::decode(hex.replace(' ', "")).unwrap();
    let mut d = Decoder::new(&bytes);
    let read = read_value(&mut d);
    assert_eq!(read.clone().map(drop), expected, "{hex}");
    if let Ok(read) = read {
        assert_eq!(read, bytes, "{hex}");
    }
}

/// Examples of RFC 8949, Appendix A, as far as they are deterministic and the draft allows them.
#[test]
fn examples_of_the_standard() {
    for hex in [
        "00",
        "01",
        "0a",
        "17",
        "1818",
        "1819",
        "1864",
        "1903e8",
        "1a000f4240",
        "1b000000e8d4a51000",
        "1bffffffffffffffff",
        "c249010000000000000000",
        "3bffffffffffffffff",
        "c349010000000000000000",
        "20",
        "29",
        "3863",
        "3903e7",
        "f90000",
        "f98000",
        "f93c00",
        "fb3ff199999999999a",
        "f93e00",
        "f97bff",
        "fa47c35000",
        "fa7f7fffff",
        "fb7e37e43c8800759c",
        "f90001",
        "f90400",
        "f9c400",
        "fbc010666666666666",
        "f97c00",
        "f97e00",
        "f9fc00",
        "f4",
        "f5",
        "f6",
        "f7",
        "f0",
        "f8ff",
        "c074323031332d30332d32315432303a30343a30305a",
        "c11a514b67b0",
        "c1fb41d452d9ec200000",
        "d74401020304",
        "d818456449455446",
        "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
        "40",
        "4401020304",
        "60",
        "6161",
        "6449455446",
        "62225c",
        "62c3bc",
        "63e6b0b4",
        "64f0908591",
        "80",
        "83010203",
        "8301820203820405",
        "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
        "a0",
        "a201020304",
        "a26161016162820203",
        "826161a161626163",
        "a56161614161626142616361436164614461656145",
    ] {
        check(hex, Ok(()));
    }
}

#[test]
fn longer_forms_are_refused() {
    for hex in [
        "1817",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "3817",
        "5800",
        "7800",
        "9800",
        "b800",
        "d80200",
        // Numbers that are no shorter as what they are.
        "c240",
        "c248ffffffffffffffff",
        "c349000000000000000001",
        "c2590100 00", /* and 255 more bytes, added below */
        "fa00000000",
        "fa3fc00000",
        "fa477fe000",
        "fa33800000",
        "fa7f800000",
        "faff800000",
        "fb0000000000000000",
        "fb3ff8000000000000",
        "fb40f86a0000000000",
        "fb36a0000000000000", // 2⁻¹⁴⁹
        "fb7ff0000000000000",
        // Values that are not numbers, in other forms than the one allowed.
        "f97e01",
        "f97c01",
        "f9fe00",
        "fa7fc00000",
        "fb7ff8000000000000",
        // Simple values that are not to be spelled out.
        "f800",
        "f814",
        "f81f",
        // Keys out of order.
        "a202000100",
        "a2613100 0100",
        "a2 626161 00 6162 00",
    ] {
        let hex = match hex {
            "c2590100 00" => format!("{hex}{}", "01".repeat(255)),
            _ => hex.to_owned(),
        };
        check(&hex, Err(Error::NotDeterministic(WHAT)));
    }
}

#[test]
fn what_needs_its_length_may_have_it() {
    for hex in [
        "fa33000000",         // 2⁻²⁵
        "fa47800000",         // 65536
        "fa3f801000",         // 1 + 2⁻¹¹
        "fb3690000000000000", // 2⁻¹⁵⁰
        "fb3ff0000010000000",
    ] {
        check(hex, Ok(()));
    }
}

#[test]
fn malformed_items_are_refused() {
    for hex in [
        "1c", "1f", "5f4100ff", "7f6100ff", "9f00ff", "bf0000ff", "ff", "fc", "df", "c200", "c36100",
    ] {
        check(hex, Err(Error::WrongType(WHAT)));
    }
    for hex in [
        "",
        "18",
        "1bffffffffffffff",
        "41",
        "61",
        "81",
        "a1",
        "a100",
        "c1",
        "f9 00",
        "5bffffffffffffffff",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
    ] {
        check(hex, Err(Error::Truncated(WHAT)));
    }
    check("61ff", Err(Error::Utf8(WHAT)));
    check("a161ff00", Err(Error::Utf8(WHAT)));
}

#[test]
fn keys_are_limited() {
    check("a1 1b001fffffffffffff 00", Ok(()));
    check("a1 1b0020000000000000 00", Err(Error::OutOfRange(KEY)));
    check("a1 3b001ffffffffffffe 00", Ok(()));
    check("a1 3b001fffffffffffff 00", Err(Error::OutOfRange(KEY)));
    check("a1 40 00", Ok(()));
    check("a1 f5 00", Err(Error::Key(WHAT)));
    check("a1 80 00", Err(Error::Key(WHAT)));
    check("a2 01 00 01 00", Err(Error::DuplicateKey(WHAT)));
}

/// The map of all extensions is the first level.
#[test]
fn depth_is_limited() {
    check("818100", Ok(()));
    check("81818100", Ok(()));
    check("8181818100", Err(Error::TooDeep(WHAT)));
    check("a100a100a10000", Ok(()));
    check("a100a100a100a0", Err(Error::TooDeep(WHAT)));
    check("8181d8204100", Ok(()));
    check("818181d8204100", Err(Error::TooDeep(WHAT)));
    check(&"81".repeat(10_000), Err(Error::TooDeep(WHAT)));
}
