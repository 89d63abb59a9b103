//! A handshake whose `Sec-WebSocket-Protocol` says anything: only the code opens, and a refusal has
//! no credential in it.
//!
//! Each line of the input is a header.

#![no_main]

use std::cell::RefCell;

use agent_relay::access::{Authorizer, CREDENTIAL_PREFIX, Carried};
use agent_relay::aws::Http;
use agent_relay::config::access::{Access, Origins};
use agent_relay::invocation::Invocation;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const CODE: &str = "open sesame";

thread_local! {
    static AUTHORIZER: RefCell<Option<Authorizer>> = const { RefCell::new(None) };
}

fn authorizer() -> Authorizer {
    let http = Http::new().expect("there are root certificates");
    let origins = Origins::parse("").expect("no origin is a list, too");
    Authorizer::new(&Access::Code(CODE.to_owned()), &origins, &http)
}

fuzz_target!(|data: &str| {
    let headers: Vec<&str> = data.lines().collect();
    let payload = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/$connect",
        "headers": {},
        "multiValueHeaders": {"Sec-WebSocket-Protocol": headers},
        "requestContext": {"connectionId": "JKJZ8fTwSQhgCIhw=", "routeKey": "$connect"},
    });
    // A header that HTTP does not allow never comes so far.
    let Invocation::Authorize(authorize) = Invocation::classify(&payload) else { return };
    let Carried::Subprotocols(offered) = &authorize.presented.credential else {
        panic!("a handshake carries its credential among the subprotocols")
    };
    let credentials: Vec<&String> =
        offered.iter().filter(|name| name.starts_with(CREDENTIAL_PREFIX)).collect();
    let right = format!("{CREDENTIAL_PREFIX}{}", URL_SAFE_NO_PAD.encode(CODE));
    let decision = AUTHORIZER.with_borrow_mut(|kept| {
        block_on(kept.get_or_insert_with(authorizer).authorize(&authorize.presented))
    });
    assert_eq!(decision.is_ok(), *credentials == [&right], "{offered:?}");
    if let Err(denied) = decision {
        let encoded = credentials.iter().map(|name| &name[CREDENTIAL_PREFIX.len()..]);
        // Short ones are found in any sentence.
        for credential in encoded.filter(|credential| credential.len() > 12) {
            assert!(!denied.to_string().contains(credential), "{denied}");
        }
    }
});
