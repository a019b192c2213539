use types::Timestamp;

use super::*;

fn address(name: &str) -> Address {
    format!("{name}@city.example").parse().unwrap()
}

fn addresses(names: &str) -> Vec<Address> {
    names.split_whitespace().map(address).collect()
}

/// A group owned by olga with the admin adam.
fn policy() -> Policy {
    let mut policy = Policy::group(address("olga"));
    policy.grants.insert(address("adam"), Role::Admin);
    policy
}

#[derive(Default)]
struct Case<'a> {
    by: &'a str,
    adds: &'a str,
    removes: &'a str,
    leaves_itself: &'a str,
    revoked: &'a str,
    policy: Option<Policy>,
}

fn check_in(policy: &Policy, leaves: &str, case: &Case<'_>, expected: Result<(), Violation>) {
    let removal = |by_itself, revoked| {
        move |address| Removal {
            address,
            by_itself,
            revoked,
        }
    };
    let removes: Vec<Removal> = addresses(case.removes)
        .into_iter()
        .map(removal(false, false))
        .chain(
            addresses(case.leaves_itself)
                .into_iter()
                .map(removal(true, false)),
        )
        .chain(addresses(case.revoked).into_iter().map(removal(false, true)))
        .collect();
    let (leaves, adds) = (addresses(leaves), addresses(case.adds));
    let newcomers: Vec<Address> = adds
        .iter()
        .filter(|added| !leaves.contains(added))
        .cloned()
        .collect();
    let act = Act {
        by: &address(case.by),
        leaves: &leaves,
        adds: &adds,
        newcomers: &newcomers,
        removes: &removes,
        policy: case.policy.as_ref(),
    };
    assert_eq!(policy.check(&act), expected, "{act:?}");
}

fn check(case: &Case<'_>, expected: Result<(), Violation>) {
    check_in(&policy(), "olga adam mike mike nina", case, expected);
}

#[test]
fn adding() {
    check(
        &Case {
            by: "olga",
            adds: "vera",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "adam",
            adds: "vera",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "nina",
            adds: "nina",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "nina",
            adds: "vera",
            ..Case::default()
        },
        Err(Violation::AddNotAdmin),
    );
    check(
        &Case {
            by: "nina",
            adds: "nina vera",
            ..Case::default()
        },
        Err(Violation::AddNotAdmin),
    );
}

#[test]
fn removing() {
    check(
        &Case {
            by: "adam",
            removes: "nina",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "mike",
            removes: "mike",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "nina",
            leaves_itself: "mike",
            ..Case::default()
        },
        Ok(()),
    );
    let refused = |name| Err(Violation::RemoveNotAbove(address(name)));
    check(
        &Case {
            by: "nina",
            removes: "mike",
            ..Case::default()
        },
        refused("mike"),
    );
    check(
        &Case {
            by: "adam",
            removes: "olga",
            ..Case::default()
        },
        refused("olga"),
    );
    let without_adam = Policy::group(address("olga"));
    check(
        &Case {
            by: "olga",
            removes: "adam",
            policy: Some(without_adam),
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "olga",
            removes: "adam",
            ..Case::default()
        },
        Err(Violation::RoleOutside(address("adam"))),
    );
}

#[test]
fn roles() {
    let granting = |name, role| {
        let mut policy = policy();
        policy.grants.insert(address(name), role);
        Some(policy)
    };
    let not_owner = Err(Violation::RolesNotOwner);
    check(
        &Case {
            by: "olga",
            policy: granting("mike", Role::Owner),
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "olga",
            policy: Some(Policy::group(address("adam"))),
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "adam",
            policy: granting("mike", Role::Admin),
            ..Case::default()
        },
        Ok(()),
    );
    check(
        &Case {
            by: "adam",
            policy: granting("mike", Role::Owner),
            ..Case::default()
        },
        not_owner.clone(),
    );
    check(
        &Case {
            by: "adam",
            policy: granting("adam", Role::Owner),
            ..Case::default()
        },
        not_owner.clone(),
    );
    check(
        &Case {
            by: "adam",
            policy: Some(Policy::group(address("olga"))),
            ..Case::default()
        },
        not_owner.clone(),
    );
    check(
        &Case {
            by: "nina",
            policy: granting("nina", Role::Admin),
            ..Case::default()
        },
        not_owner,
    );
    let outside = Err(Violation::RoleOutside(address("vera")));
    check(
        &Case {
            by: "olga",
            policy: granting("vera", Role::Admin),
            ..Case::default()
        },
        outside,
    );
    check(
        &Case {
            by: "olga",
            policy: Some(Policy::direct()),
            ..Case::default()
        },
        Err(Violation::Malformed),
    );
}

#[test]
fn an_owner_who_leaves_hands_over_to_the_admins_then_to_all() {
    let only_adam = policy().keeping(&addresses("adam nina").into_iter().collect());
    check(
        &Case {
            by: "nina",
            leaves_itself: "olga",
            policy: Some(only_adam.clone()),
            ..Case::default()
        },
        Ok(()),
    );
    assert_eq!(only_adam.role(&address("adam")), Role::Owner);
    assert_eq!(only_adam.role(&address("nina")), Role::Member);
    let nobody = only_adam.keeping(&addresses("nina").into_iter().collect());
    assert_eq!(nobody.role(&address("nina")), Role::Owner);
}

#[test]
fn direct_conversations_stay_between_two() {
    let check = |leaves, case: &Case<'_>, expected| check_in(&Policy::direct(), leaves, case, expected);
    check(
        "anna",
        &Case {
            by: "anna",
            adds: "anna boris boris",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        "anna",
        &Case {
            by: "anna",
            adds: "boris vera",
            ..Case::default()
        },
        Err(Violation::Direct),
    );
    check(
        "anna boris",
        &Case {
            by: "anna",
            adds: "boris",
            ..Case::default()
        },
        Ok(()),
    );
    check(
        "anna boris",
        &Case {
            by: "anna",
            adds: "vera",
            ..Case::default()
        },
        Err(Violation::Direct),
    );
    let swap = Case {
        by: "anna",
        adds: "vera",
        leaves_itself: "boris",
        ..Case::default()
    };
    check("anna boris", &swap, Err(Violation::Direct));
    let removed = Err(Violation::RemoveNotAbove(address("boris")));
    check(
        "anna boris",
        &Case {
            by: "anna",
            removes: "boris",
            ..Case::default()
        },
        removed,
    );
}

#[test]
fn an_accounts_own_conversation_is_its_own() {
    let check = |leaves, case: &Case<'_>, expected| check_in(&Policy::account(), leaves, case, expected);
    let more = Case {
        by: "anna",
        adds: "anna anna",
        removes: "anna",
        ..Case::default()
    };
    check("anna anna", &more, Ok(()));
    let others = Case {
        by: "anna",
        adds: "boris",
        ..Case::default()
    };
    check("anna anna", &others, Err(Violation::Account));
    check("anna", &others, Err(Violation::Account));
    let roles = Case {
        by: "anna",
        policy: Some(Policy {
            kind: ConversationKind::Account,
            ..Policy::group(address("anna"))
        }),
        ..Case::default()
    };
    check("anna", &roles, Err(Violation::Malformed));
    let turned = Case {
        by: "anna",
        policy: Some(Policy::direct()),
        ..Case::default()
    };
    check("anna", &turned, Err(Violation::Malformed));
}

#[test]
fn revoked_devices_are_removed_by_anybody() {
    let revoked = |by, name, expected| {
        let case = Case {
            by,
            revoked: name,
            ..Case::default()
        };
        check(&case, expected);
    };
    revoked("nina", "mike", Ok(()));
    revoked("nina", "mike mike", Ok(()));
    let outside = |name| Err(Violation::RoleOutside(address(name)));
    revoked("nina", "adam", outside("adam"));
    revoked("nina", "olga", outside("olga"));
    let without_olga = Case {
        by: "nina",
        revoked: "olga",
        policy: Some(policy().keeping(&addresses("adam").into_iter().collect())),
        ..Case::default()
    };
    check(&without_olga, Ok(()));
    let and_another = Case {
        by: "nina",
        revoked: "mike",
        removes: "adam",
        ..Case::default()
    };
    check(&and_another, Err(Violation::RemoveNotAbove(address("adam"))));
    let in_direct = Case {
        by: "anna",
        revoked: "boris",
        ..Case::default()
    };
    check_in(&Policy::direct(), "anna boris boris", &in_direct, Ok(()));
}

#[test]
fn groups_can_be_full() {
    let many: Vec<String> = (0..limits::CONVERSATION_MEMBERS)
        .map(|n| format!("user{n}"))
        .collect();
    let case = Case {
        by: "olga",
        adds: "vera",
        ..Case::default()
    };
    let full = Violation::Full {
        limit: limits::CONVERSATION_MEMBERS,
        what: "people",
    };
    check_in(
        &Policy::group(address("olga")),
        &format!("olga {}", many[1..].join(" ")),
        &case,
        Err(full),
    );
    let devices = "mike ".repeat(limits::CONVERSATION_LEAVES - 1);
    let full = Violation::Full {
        limit: limits::CONVERSATION_LEAVES,
        what: "devices",
    };
    check_in(
        &Policy::group(address("olga")),
        &format!("olga {devices}"),
        &case,
        Err(full),
    );
}

#[test]
fn a_policy_survives_its_extension_and_nothing_else_does() {
    let policy = policy();
    assert_eq!(
        Policy::from_bytes(&MlsExtension::to_bytes(&policy).unwrap()),
        Ok(policy)
    );
    assert_eq!(Policy::from_bytes(&[]), Err(Violation::Malformed));
    let grant = wire::RoleGrant {
        address: "olga@city.example".into(),
        role: 7,
    };
    let unknown = wire::ConversationPolicy {
        kind: wire::ConversationKind::Group.into(),
        grants: vec![grant],
        ..wire::ConversationPolicy::default()
    };
    assert_eq!(
        Policy::from_bytes(&unknown.encode_to_vec()),
        Err(Violation::Malformed)
    );
}

#[test]
fn a_conversation_begins_with_its_creator() {
    assert_eq!(
        Policy::group(address("olga")).check_genesis(&addresses("olga")),
        Ok(())
    );
    assert_eq!(Policy::direct().check_genesis(&addresses("anna")), Ok(()));
    assert_eq!(Policy::account().check_genesis(&addresses("anna")), Ok(()));
    for (policy, leaves) in [
        (Policy::group(address("olga")), "olga mike"),
        (Policy::group(address("olga")), "mike"),
        (Policy::account(), "anna anna"),
        (policy(), "olga"),
    ] {
        assert_eq!(
            policy.check_genesis(&addresses(leaves)),
            Err(Violation::Genesis),
            "{leaves}"
        );
    }
}

fn with(change: impl FnOnce(&mut Policy)) -> Option<Policy> {
    let mut policy = policy();
    change(&mut policy);
    Some(policy)
}

#[test]
fn banning() {
    let ban = |name: &str| with(|policy| policy.banned.extend([address(name)]));
    let check = |by, removes, policy, expected| {
        let case = Case {
            by,
            removes,
            policy,
            ..Case::default()
        };
        check(&case, expected);
    };
    let not_above = |name| Err(Violation::BanNotAbove(address(name)));
    check("adam", "mike mike", ban("mike"), Ok(()));
    check("adam", "", ban("vera"), Ok(()));
    check(
        "adam",
        "mike",
        ban("mike"),
        Err(Violation::Banned(address("mike"))),
    );
    check("adam", "", ban("mike"), Err(Violation::Banned(address("mike"))));
    check("mike", "", ban("vera"), not_above("vera"));
    check("mike", "mike mike", ban("mike"), not_above("mike"));
    let of_olga = with(|policy| {
        policy.grants.remove(&address("olga"));
        policy.banned.insert(address("olga"));
    });
    check(
        "adam",
        "olga",
        of_olga,
        Err(Violation::RemoveNotAbove(address("olga"))),
    );

    let policy = ban("vera").unwrap();
    let check = |by, adds, lifted, expected| {
        let case = Case {
            by,
            adds,
            policy: lifted,
            ..Case::default()
        };
        check_in(&policy, "olga adam mike", &case, expected);
    };
    check("olga", "vera", None, Err(Violation::Banned(address("vera"))));
    check("olga", "vera", Some(super::tests::policy()), Ok(()));
    check(
        "mike",
        "",
        Some(super::tests::policy()),
        Err(Violation::RulesNotAdmin),
    );
}

#[test]
fn nobody_whose_devices_are_all_revoked_is_banned_from_below() {
    let policy = with(|policy| {
        policy.grants.remove(&address("olga"));
        policy.banned.insert(address("olga"));
    });
    check(
        &Case {
            by: "adam",
            revoked: "olga",
            policy,
            ..Case::default()
        },
        Err(Violation::BanNotAbove(address("olga"))),
    );
}

#[test]
fn how_people_speak_is_for_admins() {
    for (policy, change) in [
        with(|policy| policy.announcements_only = true),
        with(|policy| policy.slow_mode_secs = 60),
    ]
    .into_iter()
    .zip(["announcements", "slow mode"])
    {
        let by = |by| Case {
            by,
            policy: policy.clone(),
            ..Case::default()
        };
        check(&by("adam"), Ok(()));
        check(&by("mike"), Err(Violation::RulesNotAdmin));
        assert!(policy.is_some(), "{change}");
    }
    let quiet = with(|policy| policy.announcements_only = true).unwrap();
    assert_eq!(quiet.check_speaker(&address("adam")), Ok(()));
    assert_eq!(
        quiet.check_speaker(&address("mike")),
        Err(Violation::AnnouncementsOnly)
    );
    assert_eq!(policy().check_speaker(&address("mike")), Ok(()));
    // Rules are for groups.
    let direct = Policy {
        slow_mode_secs: 60,
        ..Policy::direct()
    };
    let case = Case {
        by: "anna",
        policy: Some(direct),
        ..Case::default()
    };
    check_in(&Policy::direct(), "anna boris", &case, Err(Violation::Malformed));
}

fn invite(number: u8, made_by: &str) -> Invite {
    let key = crypto::InviteKey::from_bytes(&[number; 32]);
    Invite {
        key: key.public(),
        expires: Some(Timestamp::from_ms(1_000)),
        max_uses: Some(2),
        approval: false,
        made_by: address(made_by),
    }
}

#[test]
fn inviting() {
    let open = with(|policy| policy.invites = vec![invite(1, "adam")]);
    let by = |by, policy: &Option<Policy>| Case {
        by,
        policy: policy.clone(),
        ..Case::default()
    };
    check(&by("adam", &open), Ok(()));
    check(&by("olga", &open), Err(Violation::RulesNotAdmin));
    check(&by("mike", &open), Err(Violation::RulesNotAdmin));
    let of_mike = with(|policy| policy.invites = vec![invite(1, "mike")]);
    check(&by("mike", &of_mike), Err(Violation::RulesNotAdmin));

    let open = open.unwrap();
    let leaves = "olga adam mike";
    let longer = Policy {
        invites: vec![Invite {
            expires: None,
            ..invite(1, "adam")
        }],
        ..open.clone()
    };
    check_in(
        &open,
        leaves,
        &by("olga", &Some(longer)),
        Err(Violation::RulesNotAdmin),
    );
    check_in(&open, leaves, &by("olga", &Some(policy())), Ok(()));
    check_in(
        &open,
        leaves,
        &by("mike", &Some(policy())),
        Err(Violation::RulesNotAdmin),
    );

    // With its maker, or the maker's role, an invite goes.
    let demoted = |invites| {
        let mut policy = Policy {
            invites,
            ..open.clone()
        };
        policy.grants.remove(&address("adam"));
        Some(policy)
    };
    check_in(&open, leaves, &by("olga", &demoted(Vec::new())), Ok(()));
    check_in(
        &open,
        leaves,
        &by("olga", &demoted(vec![invite(1, "adam")])),
        Err(Violation::RulesNotAdmin),
    );
    let kept = open.keeping(&addresses("olga mike").into_iter().collect());
    assert_eq!(kept.invites, []);
    let gone = Case {
        leaves_itself: "adam",
        ..by("mike", &Some(kept))
    };
    check_in(&open, leaves, &gone, Ok(()));
}

#[test]
fn an_invite_is_good_for_a_while_and_for_so_many() {
    let check = |now, uses, expected| {
        assert_eq!(invite(1, "adam").check(Timestamp::from_ms(now), uses), expected);
    };
    check(999, 0, Ok(()));
    check(999, 1, Ok(()));
    check(999, 2, Err(Violation::InviteUsedUp));
    check(1_000, 0, Err(Violation::InviteExpired));
}

#[test]
fn rules_travel_in_the_extension() {
    let whole = with(|policy| {
        policy.banned.insert(address("vera"));
        policy.announcements_only = true;
        policy.slow_mode_secs = limits::SLOW_MODE_SECS;
        policy.invites = vec![invite(1, "adam"), invite(2, "olga")];
    })
    .unwrap();
    let read = |policy: &Policy| Policy::from_bytes(&MlsExtension::to_bytes(policy).unwrap());
    assert_eq!(read(&whole), Ok(whole.clone()));
    let refused = |change: &dyn Fn(&mut Policy)| {
        let mut policy = whole.clone();
        change(&mut policy);
        assert_eq!(read(&policy), Err(Violation::Malformed));
    };
    refused(&|policy| policy.slow_mode_secs += 1);
    refused(&|policy| policy.invites.push(invite(1, "olga")));
    refused(&|policy| policy.invites = (0..=20).map(|number| invite(number, "olga")).collect());
    refused(&|policy| {
        let many = (0..=limits::BANNED).map(|number| address(&format!("person{number}")));
        policy.banned = many.collect();
    });
}
