//! The media types of what is said, and how they are compared.

/// Media type of the text that we send.
pub const TEXT_TYPE: &str = "text/plain;charset=utf-8";
/// Media type of Markdown that we send (the draft, §7.1.1).
pub const MARKDOWN_TYPE: &str = "text/markdown;variant=GFM-MIMI";
/// Media type of a contact: vCard 4.0 (RFC 6350).
pub const CONTACT_TYPE: &str = "text/vcard";
/// Media type of a place: a list (RFC 2483) of one `geo` URI (RFC 5870).
pub const LOCATION_TYPE: &str = "text/uri-list";
/// Media type of what is known of a file before it is fetched, in a part with disposition
/// [`Preview`](crate::Disposition::Preview) behind the file.
pub const MEDIA_TYPE: &str = "application/vnd.veche.media";
/// Media type of a link's preview, in a part with disposition [`Preview`](crate::Disposition::Preview).
pub const LINK_PREVIEW_TYPE: &str = "application/vnd.veche.link-preview";
/// Media type of a poll, in a part to be shown.
pub const POLL_TYPE: &str = "application/vnd.veche.poll";
/// Media type of a vote, in a part with disposition [`Reaction`](crate::Disposition::Reaction).
pub const VOTE_TYPE: &str = "application/vnd.veche.vote";
/// Media type of a poll's end, in an empty part with disposition [`Reaction`](crate::Disposition::Reaction).
pub const POLL_END_TYPE: &str = "application/vnd.veche.poll-end";
/// Media type of a pin, in a part with disposition [`Reaction`](crate::Disposition::Reaction).
pub const PIN_TYPE: &str = "application/vnd.veche.pin";
/// Media type of a group's name: UTF-8, in a part with disposition [`Profile`](crate::Disposition::Profile).
pub const GROUP_NAME_TYPE: &str = "application/vnd.veche.group-name";
/// Media type of a group's description: UTF-8, in a part with disposition [`Profile`](crate::Disposition::Profile).
pub const GROUP_DESCRIPTION_TYPE: &str = "application/vnd.veche.group-description";
/// Media type of a conversation's timer, in a part with disposition [`Profile`](crate::Disposition::Profile).
pub const TIMER_TYPE: &str = "application/vnd.veche.timer";

/// A media type without its parameters, in lower case.
pub(crate) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether no parameter names a charset other than UTF-8, or than ASCII, which is part of it.
pub(crate) fn is_utf8(content_type: &str) -> bool {
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
