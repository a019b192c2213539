//! What a character is to the one who looks for words.

use unicode_normalization::char::is_combining_mark;

/// What a folded character does to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A letter or digit of a script that puts spaces between words.
    Letter,
    /// A character of a script that puts none.
    Dense,
    /// A vowel sign or the like, which belongs to the character before.
    Mark,
    /// Within a word or between two.
    Apostrophe,
    /// Between words.
    Break,
}

impl Class {
    pub(crate) fn of(c: char) -> Self {
        match c {
            'a'..='z' | '0'..='9' => Self::Letter,
            // The last is a letter to Unicode, but written by few and mistaken for the others by most.
            '\'' | '’' | 'ʼ' => Self::Apostrophe,
            c if c.is_ascii() => Self::Break,
            c if is_combining_mark(c) => Self::Mark,
            c if !c.is_alphanumeric() => Self::Break,
            c if is_dense(c) => Self::Dense,
            _ => Self::Letter,
        }
    }
}

/// Whether the script of a letter is written without spaces.
fn is_dense(c: char) -> bool {
    match c {
        // Thai, Lao, Burmese and Khmer write their numbers apart.
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' => !c.is_numeric(),
        // Radicals; iteration marks and zero; both kana; Bopomofo; the ideographs with their extensions.
        '\u{2E80}'..='\u{2FDF}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{312F}'
        | '\u{31A0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{1AFF0}'..='\u{1B16F}'
        | '\u{20000}'..='\u{3FFFF}' => true,
        _ => false,
    }
}

/// Whether a lower-case letter is Latin, accented or not.
pub(crate) fn is_latin(c: char) -> bool {
    matches!(c, 'a'..='z' | 'ß'..='ö' | 'ø'..='\u{024F}' | '\u{1E00}'..='\u{1EFF}')
}

/// Whether a lower-case letter is Greek, accented or not.
pub(crate) fn is_greek(c: char) -> bool {
    matches!(c, '\u{0370}'..='\u{03FF}' | '\u{1F00}'..='\u{1FFF}')
}

/// Whether a lower-case letter is Cyrillic.
pub(crate) fn is_cyrillic(c: char) -> bool {
    matches!(c, '\u{0400}'..='\u{052F}' | '\u{1C80}'..='\u{1C8F}' | '\u{A640}'..='\u{A69F}')
}

/// Whether a mark is an ornament that people leave out: accents, stress, the vowel points of Hebrew and Arabic,
/// variation selectors. Others, as in Devanagari, spell vowels.
pub(crate) fn is_ornament(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}'
        | '\u{0483}'..='\u{0489}'
        | '\u{0591}'..='\u{05C7}'
        | '\u{0610}'..='\u{061A}'
        | '\u{064B}'..='\u{065F}'
        | '\u{0670}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FE20}'..='\u{FE2F}'
        | '\u{E0100}'..='\u{E01EF}'
    ) && is_combining_mark(c)
}

/// Whether a character is invisible and says nothing of words: soft hyphen, joiners, marks of direction.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{200C}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Whether a character changes the one before when both are normalised, so that the two must not be parted.
pub(crate) fn continues(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    // Vowels and finals of Korean that are written in parts, and the narrow marks of Japanese.
    let joins = matches!(c, '\u{1160}'..='\u{11FF}' | '\u{FF9E}' | '\u{FF9F}');
    joins || is_combining_mark(c) || is_invisible(c)
}
