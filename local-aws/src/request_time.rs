//! Times in the forms of API Gateway's events.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

/// That of web server logs.
const LOG_FORMAT: StaticFormatDescription = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] \
     [offset_hour sign:mandatory][offset_minute]"
);

/// A `requestTime` or `time`, such as `09/Apr/2015:12:34:56 +0000`.
pub(crate) fn request_time(time: SystemTime) -> String {
    // A time in UTC has all parts of the format.
    OffsetDateTime::from(time).format(LOG_FORMAT).unwrap_or_default()
}

/// A `requestTimeEpoch` or `timeEpoch`: milliseconds since 1970.
pub(crate) fn epoch_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_request_time_is_in_log_form() {
        let time = UNIX_EPOCH + Duration::from_millis(1_707_502_303_456);
        assert_eq!(request_time(time), "09/Feb/2024:18:11:43 +0000");
        assert_eq!(epoch_millis(time), 1_707_502_303_456);
    }
}
