//! The tool itself: with an honest script, it makes no difference.

use anyhow::Result;

use crate::town::{Town, chat, group, news, say};

#[test]
fn a_proxy_that_passes_everything_on_changes_nothing() -> Result<()> {
    let (town, [anna, boris, vera]) = Town::with(["anna", "boris", "vera"])?;
    let direct = say(&anna, "boris", "hello Boris")?;
    assert_eq!(news(&boris)?, ["<joined>", "hello Boris"]);
    say(&boris, &direct.conversation, "hello Anna")?;
    assert_eq!(news(&anna)?, ["hello Anna"]);

    let yard = group(&anna, &["boris", "vera"])?;
    for member in [&boris, &vera] {
        assert_eq!(news(member)?, ["<joined>", "<renamed>"]);
    }
    for round in 0..3 {
        for speaker in [&anna, &boris, &vera] {
            say(speaker, &yard, &format!("{round} {}", speaker.address))?;
        }
    }
    anna.run(&["group", "remove", &yard, "vera"])?;
    say(&anna, &yard, "without Vera")?;
    let of_vera = news(&vera)?;
    anna.run(&["group", "add", &yard, "vera"])?;
    say(&anna, &yard, "Vera is back")?;
    for (read, own) in [(news(&boris)?, 1), ([of_vera, news(&vera)?].concat(), 2)] {
        let mut texts = (0..3).flat_map(|round| {
            ["anna", "boris", "vera"].map(|speaker| format!("{round} {speaker}@town.example"))
        });
        let from_others = texts.by_ref().enumerate().filter(|(at, _)| at % 3 != own);
        let expected: Vec<String> = from_others.map(|(_, text)| text).collect();
        let said: Vec<String> = read.iter().filter(|text| text.contains('@')).cloned().collect();
        assert_eq!(said, expected, "{read:?}");
        assert_eq!(read.last().map(String::as_str), Some("Vera is back"), "{read:?}");
        assert!(
            !read.iter().any(|line| {
                ["<undecryptable>", "<rejoined>", "<gap>", "<key_changed>"].contains(&line.as_str())
            }),
            "{read:?}"
        );
    }
    assert_eq!(chat(&vera, &yard)?, chat(&boris, &yard)?);
    assert!(town.submits("anna") > 0, "all of it went through the proxy");
    Ok(())
}
