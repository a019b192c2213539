//! Makes equal what people take for equal, and remembers where it stood.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_canonical;

use crate::chars::{continues, is_greek, is_invisible, is_latin, is_ornament};

/// A character as words are compared by: compatible (NFKC), lower case, without ornaments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) char: char,
    /// First byte of what it came from, in the text.
    pub(crate) start: usize,
    /// The byte after.
    pub(crate) end: usize,
}

/// Folds a text. One character of it may become several, or none.
pub(crate) fn fold(text: &str) -> Vec<Folded> {
    let mut folded = Vec::with_capacity(text.len());
    for Range { start, end } in clusters(text) {
        fold_cluster(&text[start..end], |char| folded.push(Folded { char, start, end }));
    }
    folded
}

/// Parts a text into characters, each with what changes it.
pub(crate) fn clusters(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = &text[start..];
        let first = rest.chars().next()?.len_utf8();
        let len = rest[first..]
            .find(|c| !continues(c))
            .map_or(rest.len(), |len| first + len);
        start += len;
        Some(start - len..start)
    })
}

fn fold_cluster(cluster: &str, mut push: impl FnMut(char)) {
    if let [byte] = cluster.as_bytes() {
        return push(char::from(byte.to_ascii_lowercase()));
    }
    let lower = cluster.nfkc().flat_map(char::to_lowercase);
    for c in lower.nfkc().filter(|&c| !is_ornament(c) && !is_invisible(c)) {
        simplify(c, &mut push);
    }
}

/// Takes the accents off a letter where they are not what makes it another letter. In Cyrillic they do, й being no и;
/// only ё is written as е by most.
fn simplify(c: char, push: &mut impl FnMut(char)) {
    match c {
        'ё' | 'ѐ' => push('е'),
        'ѝ' => push('и'),
        'ß' => "ss".chars().for_each(push),
        'æ' => "ae".chars().for_each(push),
        'œ' => "oe".chars().for_each(push),
        'ø' => push('o'),
        'ł' => push('l'),
        'đ' => push('d'),
        'ı' => push('i'),
        'ς' => push('σ'),
        c if is_latin(c) || is_greek(c) => decompose_canonical(c, |part| {
            if !is_ornament(part) {
                push(part);
            }
        }),
        c => push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let folded: String = fold(text).iter().map(|folded| folded.char).collect();
        assert_eq!(folded, expected);
    }

    #[test]
    fn what_people_take_for_equal_is_equal() {
        check("Ёлка, ЕЛКА", "елка, елка");
        check("йога и й", "йога и й");
        check("за\u{301}мок", "замок");
        check(
            "Éé e\u{301} naïve Straße Ørsted Łódź İstanbul",
            "ee e naive strasse orsted lodz istanbul",
        );
        check("ﬁne ＦＵＬＬ １２ ① 𝐁𝐨𝐥𝐝 ㎏", "fine full 12 1 bold kg");
        check("ΟΔΌΣ οδός", "οδοσ οδοσ");
        check("ｶﾞｷﾞ カ\u{3099}", "ガギ ガ");
        check("ка\u{AD}рта", "карта");
        check("שָׁלוֹם", "שלום");
        check("नमस्ते", "नमस्ते");
        check("\u{1112}\u{1161}\u{11AB}", "한");
    }

    #[test]
    fn it_remembers_where_things_stood() {
        let text = "aé\u{301}ﬁ";
        let places: Vec<_> = fold(text)
            .iter()
            .map(|folded| &text[folded.start..folded.end])
            .collect();
        assert_eq!(places, ["a", "é\u{301}", "ﬁ", "ﬁ"]);
    }
}
