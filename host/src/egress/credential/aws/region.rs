//! The region in the name of an AWS endpoint.
//!
//! In: a host's name. Out: the region that it names. Never: a region out of a name that is not
//! AWS's own: anyone may put such words into a name.

/// What AWS's names end with, in all partitions, newest forms included.
const SUFFIXES: [&str; 14] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
    ".api.aws.ic.gov",
    ".api.aws.scloud",
    ".api.cloud-aws.adc-e.uk",
    ".api.aws.hci.ic.gov",
];

/// The region that a host's name holds: `bedrock-runtime.us-east-1.amazonaws.com`,
/// `bedrock-runtime-fips.us-gov-west-1.amazonaws.com`, `bedrock-runtime.eu-west-1.api.aws`,
/// `vpce-1-a.bedrock-runtime.us-east-1.vpce.amazonaws.com`.
pub fn of_host(host: &str) -> Option<&str> {
    let before = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))?;
    let before = before.strip_suffix(".vpce").unwrap_or(before);
    // The service or the endpoint stands before it.
    let (_, last) = before.rsplit_once('.')?;
    is_region(last).then_some(last)
}

/// Whether a text has the form of a region: words and a number, parted by hyphens.
pub fn is_region(text: &str) -> bool {
    let mut parts: Vec<&str> = text.split('-').collect();
    let number = parts.pop().unwrap_or_default();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    digits && parts.len() >= 2 && parts.iter().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_read_from_aws_names_alone() {
        for (host, region) in [
            ("bedrock-runtime.us-east-1.amazonaws.com", Some("us-east-1")),
            ("bedrock.ap-southeast-2.amazonaws.com", Some("ap-southeast-2")),
            (
                "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
                Some("us-gov-west-1"),
            ),
            ("bedrock-runtime.eu-west-1.api.aws", Some("eu-west-1")),
            ("bedrock-runtime-fips.us-east-2.api.aws", Some("us-east-2")),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            (
                "bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn",
                Some("cn-north-1"),
            ),
            ("bedrock-runtime.eusc-de-east-1.amazonaws.eu", Some("eusc-de-east-1")),
            ("bedrock-runtime.us-iso-east-1.c2s.ic.gov", Some("us-iso-east-1")),
            ("bedrock-runtime.us-iso-east-1.api.aws.ic.gov", Some("us-iso-east-1")),
            (
                "bedrock-runtime.us-isof-east-1.api.aws.hci.ic.gov",
                Some("us-isof-east-1"),
            ),
            (
                "vpce-0123456789abcdef0-abcdefgh.bedrock-runtime.us-east-1.vpce.amazonaws.com",
                Some("us-east-1"),
            ),
            (
                "vpce-0123456789abcdef0-abcdefgh-us-east-1a.bedrock-runtime.us-east-1.vpce.amazonaws.com",
                Some("us-east-1"),
            ),
            ("sts.amazonaws.com", None),
            ("us-east-1.amazonaws.com", None),
            ("amazonaws.com", None),
            ("localhost", None),
            ("bedrock-runtime.us-east-1.amazonaws.com.evil.example", None),
            ("bedrock-runtime.us-east-1.evilamazonaws.com", None),
            ("bedrock.internal.example", None),
        ] {
            assert_eq!(of_host(host), region, "{host}");
        }
    }
}
