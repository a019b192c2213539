use super::*;

/// Whether each search finds the text, by what the text itself answers. That an index answers the same is tested in
/// `tests/fts5.rs`.
fn check(text: &str, finding: &[&str], missing: &[&str]) {
    for query in finding {
        assert!(Query::parse(query).unwrap().matches(text), "{query} is in {text}");
    }
    for query in missing {
        assert!(
            !Query::parse(query).unwrap().matches(text),
            "{query} is not in {text}"
        );
    }
}

#[test]
fn russian() {
    check(
        "Завтра встреча с Алёной: покорми чёрных кошек и купи ёлку!",
        &[
            "встречи",
            "встречу",
            "Встреч",
            "алена",
            "Алёне",
            "черный",
            "чёрная",
            "кошек",
            "елка",
            "ЁЛКИ",
            "завтра",
            "купи елк",
            "«чёрных кошек»",
            "\"черные кошек",
            "встреч елк",
        ],
        &["кот", "«кошек чёрных»", "встреча собака", "тра"],
    );
    check(
        "Кормил утку за́мком, работающим плохо",
        &["замком", "утка", "работаю", "работающ", "работающими"],
        &[],
    );
    check(
        "Кошка, кошки, кошками",
        &["кошка", "кошки", "кошками", "\"кошка кошка кошка\""],
        &[],
    );
}

#[test]
fn english() {
    check(
        "She runs every morning; Anna's running shoes don't fit. I’m happy about the café.",
        &[
            "run",
            "running",
            "runni",
            "runs",
            "anna",
            "Annas",
            "anna’s",
            "dont",
            "DON'T",
            "don",
            "cafe",
            "Café",
            "happ",
            "happy",
            "im",
            "\"running shoe\"",
            "shoes morning",
            "mornings",
            "\"happy about the c",
        ],
        &[
            "unning",
            "\"shoes running\"",
            "\"happy about the c\"",
            "piano",
            "afé",
        ],
    );
    check(
        "l'amour, rock'n'roll, 'quoted'",
        &["amour", "rock", "roll", "l'amour", "rock'n'roll", "quoted"],
        &[],
    );
}

#[test]
fn every_beginning_of_a_word_finds_it() {
    let text = "Happiness, running, nationalities; работающими, кошками, встречающаяся, переподготовка, Überraschung";
    for word in text.split([',', ' ', ';']).filter(|word| !word.is_empty()) {
        for (at, c) in word.char_indices() {
            check(text, &[&word[..at + c.len_utf8()]], &[]);
        }
    }
}

#[test]
fn chinese_and_japanese() {
    check(
        "我们今晚八点在老地方见。",
        &[
            "我",
            "见",
            "方",
            "今晚",
            "八点在",
            "老地方见",
            "我们 地方",
            "“今晚八点”",
            "我们今晚八点在老地方见",
        ],
        &["晚今", "我晚", "明", "我们八点"],
    );
    check("カメラとｶﾞﾗｽ", &["カメ", "ガラス", "ラ", "と"], &["メガ"]);
    check(
        "我爱Rust语言 100%",
        &["rust", "我爱rust", "Rust语言", "言", "爱", "100", "语言 rus"],
        &["爱语"],
    );
    check("สวัสดีครับ", &["สวัสดี", "ครับ", "ส"], &["รัก"]);
}

#[test]
fn other_languages() {
    check(
        "안녕하세요 नमस्ते दुनिया שָׁלוֹם مُحَمَّد",
        &["안녕하세요", "안녕", "नमस्ते", "दुन", "שלום", "محمد"],
        &[],
    );
    check("Καλημέρα ΚΌΣΜΟΣ", &["καλημερα", "κόσμος"], &[]);
    check("Straße, ŁÓDŹ, İstanbul", &["strasse", "lodz", "istanbul"], &[]);
}

#[test]
fn names_and_numbers() {
    check(
        "Write to anna.k@town.example or @boris_2, +7 (999) 123-45-67, v1.20.3, ISBN№5 on 2026-11-25, 3,14 ₽",
        &[
            "anna.k@town.example",
            "anna",
            "town.example",
            "example",
            "k@town.exam",
            "@boris_2",
            "boris",
            "123-45-67",
            "20.3",
            "v1.20",
            "2026-11-25",
            "2026",
            "3,14",
            "+7 (999)",
            "\"999 123\"",
        ],
        &["boris@town.example", "2025-11-25", "26", "town.anna"],
    );
}

#[test]
fn long_words_are_found_by_their_beginning() {
    let key = "a1b2".repeat(1000);
    check(&key, &[&key, &key[..100], &key[..3]], &["1b2a"]);
    assert!(terms(&key).len() < 200);
}

/// When this fails, by a change here or a newer stemmer, [`VERSION`] must grow.
#[test]
fn terms_of_this_version() {
    assert_eq!(VERSION, 1);
    let check = |text, expected| assert_eq!(terms(text).replace(FORM, "~"), expected);
    check("", "");
    check("?!", "");
    check(
        "Встречаемся у Алёнушки в семь, возьми чёрный зонтик; работающие магазины закрылись",
        "встреча у аленушк в сем возьм черн зонтик работа магазин закр ~встречаемся ~закрылись ~работающие",
    );
    check(
        "The children were happily running through generously decorated universities",
        "the children were happili run through generous decor universiti ~decorated ~generously ~running",
    );
    check("我们今晚见 ok", "我们 们今 今晚 晚见 见 ok");
    check("anna@town.example", "anna town exampl");
}
