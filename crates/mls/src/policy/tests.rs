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
