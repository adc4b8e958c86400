//! Where a region's service is.
//!
//! In: a region, and whether the FIPS or the dual-stack endpoint is wanted. Out: the origin. Never:
//! a guess for a combination that AWS does not offer; that is an error with its name.
//!
//! These are the rules of the services' endpoint rule sets, written out: the SDK would interpret
//! them anew for every request. They are held against AWS's own test cases in the tests.

/// A part of AWS with names of its own.
struct Partition {
    /// What its regions begin with.
    regions: &'static [&'static str],
    /// The domain of its endpoints.
    domain: &'static str,
    /// The domain of its dual-stack endpoints, where it has any.
    dual_stack: Option<&'static str>,
}

const PARTITIONS: &[Partition] = &[
    Partition {
        regions: &["cn-"],
        domain: "amazonaws.com.cn",
        dual_stack: Some("api.amazonwebservices.com.cn"),
    },
    Partition {
        regions: &["us-gov-"],
        domain: "amazonaws.com",
        dual_stack: Some("api.aws"),
    },
    Partition {
        regions: &["us-iso-"],
        domain: "c2s.ic.gov",
        dual_stack: Some("api.aws.ic.gov"),
    },
    Partition {
        regions: &["us-isob-"],
        domain: "sc2s.sgov.gov",
        dual_stack: Some("api.aws.scloud"),
    },
    Partition {
        regions: &["eu-isoe-"],
        domain: "cloud.adc-e.uk",
        dual_stack: Some("api.cloud-aws.adc-e.uk"),
    },
    Partition {
        regions: &["us-isof-", "eu-isof-"],
        domain: "csp.hci.ic.gov",
        dual_stack: Some("api.aws.hci.ic.gov"),
    },
    Partition {
        regions: &["eusc-"],
        domain: "amazonaws.eu",
        dual_stack: Some("api.amazonwebservices.eu"),
    },
];

const COMMERCIAL: Partition = Partition {
    regions: &[],
    domain: "amazonaws.com",
    dual_stack: Some("api.aws"),
};

/// Which of a region's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// With validated cryptography.
    pub fips: bool,
    /// Over IPv4 and IPv6.
    pub dual_stack: bool,
}

/// The origin of a service (`bedrock-runtime`, `bedrock`).
///
/// Errors: the combination is not offered in that partition.
pub fn origin(service: &str, region: &str, variant: Variant) -> Result<String, String> {
    let partition = PARTITIONS
        .iter()
        .find(|partition| partition.regions.iter().any(|prefix| region.starts_with(prefix)))
        .unwrap_or(&COMMERCIAL);
    let fips = if variant.fips { "-fips" } else { "" };
    let domain = if variant.dual_stack {
        partition
            .dual_stack
            .ok_or_else(|| format!("region {region} has no dual-stack endpoints"))?
    } else {
        partition.domain
    };
    Ok(format!("https://{service}{fips}.{region}.{domain}"))
}

/// Whether a text has the form of a region's name: `us-east-1`, `ap-southeast-2`, `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let mut words = text.rsplit('-');
    let number = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let is_word = |word: &&str| word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    number.len() <= 2
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (2..=3).contains(&rest.len())
        && rest.iter().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let plain = Variant::default();
        let fips = Variant { fips: true, ..plain };
        let dual = Variant {
            dual_stack: true,
            ..plain
        };
        let cases = [
            ("us-east-1", plain, "https://bedrock-runtime.us-east-1.amazonaws.com"),
            (
                "us-east-1",
                fips,
                "https://bedrock-runtime-fips.us-east-1.amazonaws.com",
            ),
            ("eu-west-3", dual, "https://bedrock-runtime.eu-west-3.api.aws"),
            (
                "us-gov-west-1",
                fips,
                "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                plain,
                "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
            ),
            (
                "eusc-de-east-1",
                plain,
                "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu",
            ),
        ];
        for (region, variant, expected) in cases {
            assert_eq!(origin("bedrock-runtime", region, variant).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn names_of_regions() {
        for region in ["us-east-1", "ap-southeast-12", "us-gov-west-1", "eusc-de-east-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in [
            "",
            "us",
            "us-east",
            "us-east-1a",
            "US-EAST-1",
            "anthropic.claude-v2",
            "a-b-1",
            "1-2-3",
        ] {
            assert!(!is_region(other), "{other}");
        }
    }
}
