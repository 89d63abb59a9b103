use super::*;

fn joined() -> Joined {
    let connection = ConnectionRef {
        connection_id: "L0SM9cOFvHcCIhw=".to_owned(),
        api_id: Some("abcdef1234".to_owned()),
        stage: Some("live".to_owned()),
    };
    Joined { connection, after: -1 }
}

fn address() -> RunAddress {
    RunAddress::new("thread-1", 1_764_150_000_000, "a")
}

#[test]
fn an_item_is_what_was_written() {
    let plain = Item::new("run-1", [7; 32], 1_764_150_900_000, 1_764_236_400);
    let connection = ConnectionRef { api_id: None, stage: None, ..joined().connection };
    for item in [
        plain.clone(),
        Item { joined: Some(joined()), generation: 3, taken: 2, ..plain.clone() },
        Item { joined: Some(Joined { connection, after: 90 }), ..plain.clone() },
        Item { input: Some(KeptInput::Here("[]".to_owned())), stop: true, ..plain.clone() },
        Item {
            input: Some(KeptInput::Apart { parts: 2 }),
            journal: Some(KeptJournal::Apart { parts: 1 }),
            ..plain.clone()
        },
        Item { journal: Some(KeptJournal::Here(vec![1, 2, 3])), ..plain.clone() },
        Item { lost: true, ..plain.clone() },
    ] {
        let attributes = of_item(&address(), &item);
        assert_eq!(to_item(&attributes).unwrap(), item);
        assert_eq!(to_address(&attributes).unwrap(), address());
        assert_eq!(expires(&attributes).unwrap(), item.expires);
    }
}

#[test]
fn an_item_of_others_is_an_error_that_names_the_attribute() {
    let here = Some(KeptJournal::Here(vec![1]));
    let item = Item { journal: here, ..Item::new("run-1", [7; 32], 1, 2) };
    let attributes = of_item(&address(), &item);
    for (name, value) in [
        ("id", None),
        ("id", Some(number(1))),
        ("key", Some(bytes(*b"short"))),
        ("gen", Some(text("1"))),
        ("gen", Some(number(-1))),
        ("until", None),
        ("parts", Some(number(-1))),
        ("journal", None),
        ("journal", Some(text("1"))),
        ("input", Some(Attribute::Bool(true))),
        ("conn", Some(number(1))),
    ] {
        let mut attributes = attributes.clone();
        match value {
            Some(value) => attributes.insert(name.to_owned(), value),
            None => attributes.remove(name),
        };
        let error = to_item(&attributes).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{name}: {error}");
    }
}

#[test]
fn a_change_says_what_must_hold_for_it() {
    let nowhere = Joined {
        connection: ConnectionRef { api_id: None, stage: None, ..joined().connection },
        after: 4,
    };
    for (update, text, condition) in [
        (
            Update::Join { generation: 2, joined: joined() },
            "SET #gen = :gen, #conn = :conn, #after = :after, #api = :api, #stage = :stage",
            "#gen = :before AND attribute_not_exists(#parts) AND attribute_not_exists(#lost)",
        ),
        (
            Update::Join { generation: 2, joined: nowhere },
            "SET #gen = :gen, #conn = :conn, #after = :after REMOVE #api, #stage",
            "#gen = :before AND attribute_not_exists(#parts) AND attribute_not_exists(#lost)",
        ),
        (
            Update::Take { generation: 2 },
            "SET #taken = :taken",
            "#taken <= :most AND attribute_not_exists(#parts) AND attribute_not_exists(#lost)",
        ),
        (
            Update::Stop { key_hash: Some([7; 32]), now: 5 },
            "SET #stop = :stop",
            "#expires > :now AND #key = :hash",
        ),
        (Update::Stop { key_hash: None, now: 5 }, "SET #stop = :stop", "#expires > :now"),
        (
            Update::End { journal: KeptJournal::Apart { parts: 1 }, generation: 2, expires: 9 },
            "SET #parts = :parts, #taken = :taken, #expires = :expires",
            "attribute_exists(#gen) AND attribute_not_exists(#lost)",
        ),
        (
            Update::End { journal: KeptJournal::Here(vec![1]), generation: 2, expires: 9 },
            "SET #parts = :parts, #journal = :journal, #taken = :taken, #expires = :expires",
            "attribute_exists(#gen) AND attribute_not_exists(#lost)",
        ),
        (
            Update::Lose { generation: 2 },
            "SET #lost = :lost",
            "#taken < :mine AND attribute_not_exists(#parts)",
        ),
    ] {
        let expressions = of_update(&update);
        assert_eq!((&*expressions.update, &*expressions.condition), (text, condition));
        // The table refuses a name or a value that is not used, and one that is not there.
        let used = format!("{text} {condition}");
        let used: std::collections::BTreeSet<&str> = used
            .split(|char: char| !(char.is_ascii_alphanumeric() || char == '#' || char == ':'))
            .filter(|word| word.starts_with(['#', ':']))
            .collect();
        let given = expressions.names.keys().chain(expressions.values.keys());
        assert_eq!(given.map(String::as_str).collect::<std::collections::BTreeSet<_>>(), used);
    }
}
