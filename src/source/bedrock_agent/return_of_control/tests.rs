use proptest::prelude::*;

use super::*;
use crate::json::read;

/// The arguments of the one action of an invocation, whose parameters these are.
fn arguments(parameters: &str) -> String {
    let payload = format!(
        r#"{{"invocationId":"inv-1","invocationInputs":[{{"functionInvocationInput":{{"actionGroup":"Orders","function":"cancelOrder","actionInvocationType":"USER_CONFIRMATION","parameters":[{parameters}]}}}}]}}"#
    );
    let calls = read(payload.as_bytes(), |object| calls(object, "thread-1")).flatten();
    calls.expect("one call").remove(0).arguments
}

#[test]
fn a_number_keeps_every_digit() {
    for (kind, number) in [
        ("integer", "2512292042121000001"),
        ("integer", "12345678901234567890123"),
        ("number", "1.10"),
        ("number", "0.1000000000000000055511151231257827021181583404541015625"),
        ("number", "-1e400"),
        ("number", "1E-2"),
        ("integer", "-0"),
        ("array", "[9007199254740993,1.0]"),
        ("object", r#"{"a":1.10,"a2":[1e400]}"#),
    ] {
        let value = serde_json::to_string(number).unwrap();
        let parameter = format!(r#"{{"name":"n","type":"{kind}","value":{value}}}"#);
        assert_eq!(arguments(&parameter), format!(r#"{{"n":{number}}}"#));
        // As the agent would send it if it kept to JSON's own types.
        assert_eq!(
            arguments(&format!(r#"{{"name":"n","value":{number}}}"#)),
            format!(r#"{{"n":{number}}}"#)
        );
    }
}

#[test]
fn a_text_that_is_not_of_its_type_stays_a_text() {
    for (kind, text) in [
        ("integer", "007"),
        ("integer", "0x10"),
        ("integer", "1,000"),
        ("number", "NaN"),
        ("number", ""),
        ("number", "1 2"),
        ("boolean", "yes"),
        ("array", "{}"),
        ("object", "[1"),
        ("string", "12"),
        ("date", "7"),
    ] {
        let parameter = format!(r#"{{"name":"n","type":"{kind}","value":"{text}"}}"#);
        assert_eq!(arguments(&parameter), format!(r#"{{"n":"{text}"}}"#));
    }
}

#[test]
fn numbers_of_a_request_body_keep_their_digits() {
    let payload = r#"{"invocationId":"inv-1","invocationInputs":[{"apiInvocationInput":{"actionGroup":"Orders","httpMethod":"POST","apiPath":"/orders",
        "parameters":[{"name":"id","type":"integer","value":"9007199254740993"}],
        "requestBody":{"content":{"application/json":{"properties":[{"name":"price","type":"number","value":"19.90"}]}}}}}]}"#;
    let calls = read(payload.as_bytes(), |object| calls(object, "thread-1")).flatten().unwrap();
    assert_eq!(calls[0].arguments, r#"{"id":9007199254740993,"requestBody":{"price":19.90}}"#);
}

proptest! {
    #[test]
    fn any_number_is_passed_on_to_the_digit(
        number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let parameter = format!(r#"{{"name":"n","type":"number","value":"{number}"}}"#);
        prop_assert_eq!(arguments(&parameter), format!(r#"{{"n":{number}}}"#));
    }
}
