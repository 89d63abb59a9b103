//! The configuration of the AWS SDK, quickly made.

use std::env;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::meta::region::ProvideRegion as _;
use aws_config::{BehaviorVersion, SdkConfig};

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
    loader.load().await
}
