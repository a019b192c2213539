//! What a message says, as far as this build understands it.

use crate::{Disposition, ExternalPart, NestedPart, Part, PartSemantics};

/// Media type of the text that we send.
pub const TEXT_TYPE: &str = "text/plain;charset=utf-8";
/// Media type of a group's name: UTF-8, in a part with disposition [`Profile`](Disposition::Profile).
pub const GROUP_NAME_TYPE: &str = "application/vnd.veche.group-name";

/// What a message says. Look at [`Content::replaces`](crate::Content::replaces) first: that tells whether it is said
/// anew or instead of something, and a message that only withdraws another says nothing that would be known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Text to show: plain, or Markdown to show as it stands (the draft, §7.1).
    Text(&'a str),
    /// The name of the group from now on.
    GroupName(&'a str),
    /// A file that is kept elsewhere.
    File(&'a ExternalPart),
    /// Something else, perhaps from a newer version.
    Unknown {
        /// Its media type; empty when it has none, as when it is empty itself or made of several parts.
        content_type: &'a str,
    },
}

impl<'a> Body<'a> {
    pub(crate) fn of(nested: &'a NestedPart) -> Self {
        match &nested.part {
            Part::Null => Self::Unknown { content_type: "" },
            Part::External(part) => Self::of_external(nested.disposition, part),
            Part::Single {
                content_type,
                content,
            } => Self::of_single(nested.disposition, content_type, content),
            Part::Multi { semantics, parts } => Self::of_multi(*semantics, parts),
        }
    }

    fn of_external(disposition: Disposition, part: &'a ExternalPart) -> Self {
        match disposition {
            Disposition::Unspecified
            | Disposition::Render
            | Disposition::Inline
            | Disposition::Attachment
            | Disposition::Other(_) => Self::File(part),
            Disposition::Reaction
            | Disposition::Profile
            | Disposition::Icon
            | Disposition::Session
            | Disposition::Preview => Self::Unknown {
                content_type: &part.content_type,
            },
        }
    }

    fn of_single(disposition: Disposition, content_type: &'a str, content: &'a [u8]) -> Self {
        let read: fn(&'a str) -> Self = match disposition {
            Disposition::Profile if has_type(content_type, &[GROUP_NAME_TYPE]) => Self::GroupName,
            Disposition::Unspecified | Disposition::Render | Disposition::Inline | Disposition::Other(_)
                if has_type(content_type, &["text/plain", "text/markdown"]) && is_utf8(content_type) =>
            {
                Self::Text
            }
            _ => return Self::Unknown { content_type },
        };
        str::from_utf8(content).map_or(Self::Unknown { content_type }, read)
    }

    /// The first part that is understood: of alternatives one is enough, and of a series as much as can be had. A unit
    /// is shown whole or not at all, and no body here is made of several.
    fn of_multi(semantics: PartSemantics, parts: &'a [NestedPart]) -> Self {
        let unknown = Self::Unknown { content_type: "" };
        match semantics {
            PartSemantics::SingleUnit => unknown,
            PartSemantics::ChooseOne | PartSemantics::ProcessAll => parts
                .iter()
                .map(Self::of)
                .find(|body| !matches!(body, Self::Unknown { .. }))
                .unwrap_or(unknown),
        }
    }
}

/// Whether a media type is among these, its parameters aside.
fn has_type(content_type: &str, expected: &[&str]) -> bool {
    let found = content_type.split(';').next().unwrap_or_default().trim();
    expected
        .iter()
        .any(|expected| found.eq_ignore_ascii_case(expected))
}

/// Whether no parameter names a charset other than UTF-8, or than ASCII, which is part of it.
fn is_utf8(content_type: &str) -> bool {
    content_type
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .all(|charset| {
            ["utf-8", "us-ascii"]
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disposition::{Inline, Other, Profile, Reaction, Render, Unspecified};

    fn check(disposition: Disposition, content_type: &str, content: &[u8], expected: Body<'_>) {
        let part = NestedPart::single(content_type, content).with_disposition(disposition);
        assert_eq!(Body::of(&part), expected, "{disposition:?} {content_type}");
    }

    fn unknown(content_type: &str) -> Body<'_> {
        Body::Unknown { content_type }
    }

    #[test]
    fn text_is_text_however_its_type_is_spelled() {
        for content_type in [
            "text/plain",
            "text/plain;charset=utf-8",
            "Text/Plain; Charset=\"UTF-8\"",
            "text/plain; charset=us-ascii; format=flowed",
            "text/markdown;variant=GFM-MIMI",
        ] {
            for disposition in [Unspecified, Render, Inline, Other(9)] {
                check(disposition, content_type, "так".as_bytes(), Body::Text("так"));
            }
        }
    }

    #[test]
    fn what_is_not_understood_keeps_its_type() {
        for content_type in ["", "text/html", "text/plainer", "text/plain;charset=koi8-r"] {
            check(Render, content_type, b"so", unknown(content_type));
        }
        check(Render, "text/plain", b"\xFF", unknown("text/plain"));
        check(Reaction, "text/plain", b":-)", unknown("text/plain"));
    }

    #[test]
    fn only_a_profile_names_the_group() {
        check(Profile, GROUP_NAME_TYPE, b"Veche", Body::GroupName("Veche"));
        check(Render, GROUP_NAME_TYPE, b"Veche", unknown(GROUP_NAME_TYPE));
        check(Profile, "text/plain", b"Veche", unknown("text/plain"));
    }

    #[test]
    fn parts_are_chosen_from_unless_they_are_a_unit() {
        let multi = |semantics, parts: &[&NestedPart]| NestedPart {
            disposition: Render,
            language: String::new(),
            part: Part::Multi {
                semantics,
                parts: parts.iter().copied().cloned().collect(),
            },
        };
        let fancy = NestedPart::single("application/vnd.example.fancy", "?");
        let plain = NestedPart::single("text/plain", "plain");
        let later = NestedPart::single("text/plain", "later");
        for (semantics, expected) in [
            (PartSemantics::ChooseOne, Body::Text("plain")),
            (PartSemantics::ProcessAll, Body::Text("plain")),
            (PartSemantics::SingleUnit, unknown("")),
        ] {
            let part = multi(semantics, &[&fancy, &plain, &later]);
            assert_eq!(Body::of(&part), expected);
        }
        assert_eq!(
            Body::of(&multi(PartSemantics::ChooseOne, &[&fancy, &fancy])),
            unknown("")
        );
    }
}
