//! What stands in a group's context: the policy, and what every leaf must understand.

use mls_rs::ExtensionList;
use mls_rs::error::MlsError;
use mls_rs::extension::built_in::RequiredCapabilitiesExt;
use mls_rs::group::GroupContext;
use mls_rs_core::extension::MlsExtension;

use crate::evidence;
use crate::identity::CREDENTIAL;
use crate::policy::{Policy, Violation};

/// The context's extensions for this policy.
pub(crate) fn extensions(policy: &Policy) -> Result<ExtensionList, MlsError> {
    let mut extensions = ExtensionList::new();
    extensions.set_from(policy.clone())?;
    extensions.set_from(required())?;
    Ok(extensions)
}

/// The policy in a group's context.
pub(crate) fn policy_of(context: &GroupContext) -> Result<Policy, Violation> {
    policy_in(context.extensions())
}

/// The policy in these extensions, which hold the required capabilities besides and nothing else.
pub(crate) fn policy_in(extensions: &ExtensionList) -> Result<Policy, Violation> {
    let capabilities = extensions.get_as::<RequiredCapabilitiesExt>().ok().flatten();
    if extensions.len() != 2 || capabilities != Some(required()) {
        return Err(Violation::Malformed);
    }
    extensions
        .get_as::<Policy>()
        .ok()
        .flatten()
        .ok_or(Violation::Malformed)
}

/// One leaf that does not know evidence would keep all others from using it (RFC 9420 §12.1), so no such leaf comes in.
fn required() -> RequiredCapabilitiesExt {
    RequiredCapabilitiesExt::new(
        vec![Policy::extension_type()],
        vec![evidence::PROPOSAL],
        vec![CREDENTIAL],
    )
}

#[cfg(test)]
mod tests {
    use mls_rs::Client;
    use types::{ConversationId, Suite};

    use super::*;
    use crate::identity::Identities;
    use crate::testing::{NOW, anna, boris};
    use crate::{Change, Device, Error, Group, PublicGroup};

    const ID: ConversationId = ConversationId::new([7; 16]);

    fn policy_alone() -> ExtensionList {
        let mut extensions = ExtensionList::new();
        extensions.set_from(Policy::direct()).unwrap();
        extensions
    }

    fn founded(device: &Device) -> (Group, PublicGroup) {
        let group = device
            .create(ID, Suite::Classical, &Policy::direct(), NOW)
            .unwrap();
        let public = PublicGroup::begin(&group.genesis().unwrap(), NOW).unwrap();
        (group, public)
    }

    #[test]
    fn no_conversation_begins_without_what_leaves_must_understand() {
        let id = ID.as_bytes().to_vec();
        let client = anna().client(Suite::Classical);
        let group = client.create_group_with_id(id, policy_alone(), ExtensionList::new(), None);
        let group = group.unwrap();
        let genesis = group.group_info_message(true).unwrap().to_bytes().unwrap();
        let refused = PublicGroup::begin(&genesis, NOW).map(|_| ());
        assert!(
            matches!(refused, Err(Error::Policy(Violation::Malformed))),
            "{refused:?}"
        );
        let opened = Group::new(group).map(|_| ());
        assert!(
            matches!(opened, Err(Error::Policy(Violation::Malformed))),
            "{opened:?}"
        );
    }

    #[test]
    fn no_commit_takes_it_away() {
        let mut device = anna();
        device.break_rules();
        let (mut group, mut public) = founded(&device);
        let builder = group.inner.commit_builder().set_group_context_ext(policy_alone());
        let commit = builder.unwrap().build().unwrap().commit_message.to_bytes();
        let refused = public.apply(&commit.unwrap(), NOW);
        assert!(
            matches!(refused, Err(Error::Policy(Violation::Malformed))),
            "{refused:?}"
        );
    }

    #[test]
    fn a_leaf_that_does_not_know_evidence_stays_out() {
        let (mut group, _) = founded(&anna());
        let (identity, signer, provider) = boris().parts();
        let client = Client::builder()
            .crypto_provider(provider)
            .identity_provider(Identities)
            .extension_type(Policy::extension_type())
            .signing_identity(identity, signer, crate::provider::cipher_suite(Suite::Classical))
            .build();
        let package = client.generate_key_package_message(
            ExtensionList::new(),
            ExtensionList::new(),
            Some(crate::mls_time(NOW)),
        );
        let add = Change::Add(package.unwrap().to_bytes().unwrap().into());
        let refused = group.commit(&[add], NOW).unwrap_err();
        let missing = MlsError::RequiredProposalNotFound(evidence::PROPOSAL);
        assert!(
            matches!(&refused, Error::Library { source, .. } if source.to_string() == missing.to_string()),
            "{refused:?}"
        );
    }
}
