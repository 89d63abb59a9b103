use aws_sdk_dynamodb::config::endpoint as sdk;
use aws_sdk_dynamodb::config::endpoint::ResolveEndpoint as _;

use super::*;

#[tokio::test]
async fn a_region_has_the_address_that_the_sdk_knows() {
    let regions = [
        "us-east-1",
        "eu-central-1",
        "ap-southeast-2",
        "cn-north-1",
        "us-gov-west-1",
        "us-gov-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eusc-de-east-1",
        "xx-new-1",
    ];
    for region in regions {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
            let params = sdk::Params::builder()
                .region(region)
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .build()
                .unwrap();
            let expected = sdk::DefaultResolver::new().resolve_endpoint(&params).await;
            let found = region_url(region, fips, dual_stack).await;
            let which = format!("{region}, FIPS {fips}, dual stack {dual_stack}");
            match (expected, found) {
                (Ok(expected), Ok(found)) => {
                    assert_eq!(found, format!("{}/", expected.url()), "{which}");
                }
                (Err(_), Err(_)) => {}
                (expected, found) => panic!("{which}: {found:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn a_refusal_is_read_whoever_wrote_it() {
    let read = |body: &str| {
        let Refusal { code, message } = Refusal::of(body.as_bytes());
        (code, message)
    };
    let pair = |code: &str, message: &str| (code.to_owned(), message.to_owned());
    assert_eq!(
        read(
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}"#
        ),
        pair("ThrottlingException", "slow")
    );
    assert_eq!(
        read(r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#),
        pair("AccessDeniedException", "no")
    );
    assert_eq!(read(r#"{"__type":"Plain"}"#), pair("Plain", ""));
    for other in ["", "<html>", "[]", r#"{"__type":7}"#] {
        assert_eq!(read(other), pair("", ""), "{other}");
    }
}
