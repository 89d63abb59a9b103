//! The configuration of the AWS SDK, quickly made.

use std::env;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::meta::region::ProvideRegion as _;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::aws::Http;

/// The configuration of clients that call AWS through `http`, from the environment, where Lambda puts the Region and the credentials
/// ("Defined runtime environment variables"), or else from wherever the SDK looks for them.
///
/// The SDK would prepare all these other places, a client of STS among them, before it asks the first
/// one, and the first message would wait for it.
pub async fn load(http: Http) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = EnvironmentVariableRegionProvider::new().region().await {
        loader = loader.region(region);
    }
    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY") {
        loader = loader.credentials_provider(EnvironmentVariableCredentialsProvider::new());
    }
    trimmed(loader.load().await)
}

/// The same with the settings of single services as [`Config`](crate::config::Config) has its own: without
/// spaces around them, and what is blank is not set. At a blank address, the SDK's clients panic.
fn trimmed(sdk: SdkConfig) -> SdkConfig {
    sdk.to_builder().service_config(Trimmed(sdk)).build()
}

#[derive(Debug)]
struct Trimmed(SdkConfig);

impl LoadServiceConfig for Trimmed {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let value = self.0.service_config()?.load_config(key)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of which each has this value.
    #[derive(Debug)]
    struct Set(&'static str);

    impl LoadServiceConfig for Set {
        fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    #[test]
    fn a_blank_setting_of_a_service_is_none_and_spaces_are_no_part_of_one() {
        let url = "http://127.0.0.1:8080";
        for (value, expected) in [("", None), ("  ", None), (" http://127.0.0.1:8080 ", Some(url))]
        {
            let sdk = trimmed(SdkConfig::builder().service_config(Set(value)).build());
            let key = ServiceConfigKey::builder()
                .service_id("Bedrock Agent Runtime")
                .env("AWS_ENDPOINT_URL")
                .profile("endpoint_url")
                .build()
                .unwrap();
            let found = sdk.service_config().unwrap().load_config(key);
            assert_eq!(found.as_deref(), expected, "{value:?}");
        }
    }
}
