//! Handles that one could take for each other.

use types::Handle;
use unicode_security::confusable_detection::skeleton;

/// What a handle looks like: no two accounts may share it.
///
/// The skeleton of UTS #39 §4 folds letters of all scripts that look alike. Two things more: case is folded after it,
/// since its prototypes are of either case (`0` becomes `O`); and separators are left out, since a reader takes no
/// notice of them, so that nobody becomes `an.na` beside `anna`.
pub(crate) fn likeness(handle: &Handle) -> String {
    let letters: String = handle.as_str().chars().filter(|c| c.is_alphanumeric()).collect();
    skeleton(&letters).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_share_a_likeness() {
        let check = |one: &str, other: &str, expected: bool| {
            let (one, other): (Handle, Handle) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(likeness(&one) == likeness(&other), expected, "{one} {other}");
        };
        check("anna", "аnnа".replace('n', "п").as_str(), false);
        check("соре", "cope", true);
        check("anna", "an.na", true);
        check("anna", "a_n-n.a", true);
        check("bob", "b0b", true);
        check("paypal", "paypa1", true);
        check("bam", "barn", true);
        check("anna", "hanna", false);
        check("мария", "марина", false);
    }
}
