//! Kind `aws`: the sources of an AWS identity.
//!
//! In: nothing. Out: the forms of the kind, the hosts that a region has, and the variables that
//! AWS's own tools read. Never: a request; the sources themselves are `egress::credential`'s.

use super::variables::{Hosts, Import, To, Variable};
use super::{Attribute, Attributes, Form, Kind};
use crate::egress::credential::aws_region::is_region;
use crate::egress::credential::check_aws;

const PROFILE: Attribute = Attribute::optional("profile", "the profile's name [default: default]");
const CONFIG_FILE: Attribute = Attribute::optional("config_file", "instead of ~/.aws/config");
const CREDENTIALS_FILE: Attribute = Attribute::optional("credentials_file", "instead of ~/.aws/credentials");
const ROLE_ARN: Attribute = Attribute::required("role_arn", "the role to assume, `arn:aws:iam::…:role/…`");
const SESSION_NAME: Attribute =
    Attribute::optional("session_name", "what CloudTrail calls the session [default: llm-host]");
const STS_REGION: Attribute = Attribute::required("region", "the region of STS, and of Bedrock by default");

pub(super) const KIND: Kind = Kind {
    name: "aws",
    about: "an AWS identity, which signs requests (signature version 4)",
    forms: FORMS,
    common: &[Attribute::optional(
        "regions",
        "further regions it may be used in, parted by commas; each adds Bedrock's hosts",
    )],
    check,
    hosts,
};

const fn form(name: &'static str, about: &'static str, attributes: &'static [Attribute]) -> Form {
    Form {
        name,
        about,
        fields: &[],
        optional_fields: &[],
        attributes,
        on_base: false,
    }
}

const REGION: Attribute = Attribute::optional("region", "the region, where the host's name does not tell");

const FORMS: &[Form] = &[
    Form {
        fields: &["access_key_id", "secret_access_key"],
        optional_fields: &["session_token"],
        ..form("static", "an access key in the vault", &[REGION])
    },
    form(
        "profile",
        "a profile of AWS's own files, whatever it says",
        &[REGION, PROFILE, CONFIG_FILE, CREDENTIALS_FILE],
    ),
    form(
        "sso",
        "IAM Identity Center, after `aws sso login`",
        &[
            REGION,
            Attribute::required("start_url", "the portal's address, `https://….awsapps.com/start`"),
            Attribute::required("sso_region", "the region of the portal"),
            Attribute::required("account_id", "the account"),
            Attribute::required("role_name", "the permission set"),
            Attribute::optional(
                "sso_session",
                "the `sso-session` of ~/.aws/config that `aws sso login` used",
            ),
        ],
    ),
    Form {
        on_base: true,
        ..form(
            "assume-role",
            "a role, assumed with an access key in the vault or with another source (`base`)",
            &[
                STS_REGION,
                ROLE_ARN,
                SESSION_NAME,
                Attribute::optional("external_id", "what the role's owner demands"),
                Attribute::optional("duration", "seconds that the keys live, 900 to 43200 [default: 3600]"),
            ],
        )
    },
    form(
        "web-identity",
        "a role, assumed with a token in a file (IRSA, GitHub, GKE)",
        &[
            STS_REGION,
            ROLE_ARN,
            Attribute::required("token_file", "the file with the token, read anew each time"),
            SESSION_NAME,
        ],
    ),
    form("container", "the role of an ECS task or an EKS pod", &[REGION]),
    form(
        "imds",
        "the role of an EC2 instance (IMDSv2)",
        &[
            REGION,
            Attribute::optional("instance_profile", "the role's name, where it is not to be looked up"),
        ],
    ),
    form(
        "default-chain",
        "whatever AWS's own tools would find on this machine, in their order",
        &[REGION, PROFILE],
    ),
];

fn check(attributes: &Attributes) -> Result<(), String> {
    let regions = regions(attributes).chain(attributes.get("sso_region").map(String::as_str));
    for region in regions {
        if !is_region(region) {
            return Err(format!("{region:?} is not an AWS region such as \"us-east-1\""));
        }
    }
    if let Some(arn) = attributes.get("role_arn")
        && !(arn.starts_with("arn:") && arn.contains(":role/"))
    {
        return Err(format!(
            "{arn:?} is not a role such as \"arn:aws:iam::123456789012:role/llm\""
        ));
    }
    if let Some(duration) = attributes.get("duration")
        && !duration
            .parse::<u32>()
            .is_ok_and(|seconds| (900..=43_200).contains(&seconds))
    {
        return Err(format!(
            "duration {duration:?} is not a number of seconds from 900 to 43200"
        ));
    }
    // What AWS's own services take, so that a slip is told now and not by the first request.
    let texts: [(&str, usize, usize, &str); 2] = [
        ("session_name", 2, 64, "_+=,.@-"),
        ("external_id", 2, 1224, "_+=,.@:/-"),
    ];
    for (name, least, most, marks) in texts {
        let fits = |text: &String| {
            (least..=most).contains(&text.len())
                && text
                    .chars()
                    .all(|char| char.is_ascii_alphanumeric() || marks.contains(char))
        };
        if let Some(text) = attributes.get(name).filter(|text| !text.is_empty() && !fits(text)) {
            return Err(format!(
                "{name} {text:?} is not one that AWS takes: {least} to {most} letters, digits and {marks}"
            ));
        }
    }
    if let Some(account) = attributes.get("account_id")
        && !(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(format!("account_id {account:?} is not the 12 digits of an account"));
    }
    check_aws(attributes).map_err(|error| error.to_string())
}

fn regions(attributes: &Attributes) -> impl Iterator<Item = &str> {
    let one = attributes.get("region").map(String::as_str);
    let further = attributes.get("regions").map(String::as_str).unwrap_or_default();
    one.into_iter()
        .chain(further.split(',').map(str::trim).filter(|region| !region.is_empty()))
}

/// The parts of AWS whose hosts have another domain, by what their regions begin with.
const DOMAINS: [(&str, &str); 7] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isof-", "csp.hci.ic.gov"),
];

/// Bedrock's hosts in the regions of the attributes: of its data and of its control plane.
fn hosts(attributes: &Attributes) -> Vec<String> {
    let mut hosts = Vec::new();
    for region in regions(attributes) {
        let own = DOMAINS.iter().find(|(prefix, _)| region.starts_with(prefix));
        let suffix = own.map_or("amazonaws.com", |(_, suffix)| suffix);
        for service in ["bedrock-runtime", "bedrock"] {
            let host = format!("https://{service}.{region}.{suffix}");
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

const AWS_REGION: Variable = Variable::optional("AWS_REGION", To::Attribute("region"));
const AWS_DEFAULT_REGION: Variable = Variable::optional("AWS_DEFAULT_REGION", To::Attribute("region"));
const HOSTS: Hosts = Hosts::Of(hosts, "AWS_REGION");

/// The variables that AWS's own tools read.
pub(super) const IMPORTS: &[Import] = &[
    Import {
        credential: "bedrock-api-key",
        kind: "bearer",
        variables: &[
            Variable::needed("AWS_BEARER_TOKEN_BEDROCK", To::Field("token")),
            AWS_REGION,
            AWS_DEFAULT_REGION,
        ],
        attributes: &[],
        hosts: HOSTS,
    },
    Import {
        credential: "aws",
        kind: "aws",
        variables: &[
            Variable::needed("AWS_ACCESS_KEY_ID", To::Field("access_key_id")),
            Variable::needed("AWS_SECRET_ACCESS_KEY", To::Field("secret_access_key")),
            Variable::optional("AWS_SESSION_TOKEN", To::Field("session_token")),
            AWS_REGION,
            AWS_DEFAULT_REGION,
        ],
        attributes: &[("source", "static")],
        hosts: HOSTS,
    },
    Import {
        credential: "aws-profile",
        kind: "aws",
        variables: &[
            Variable::needed("AWS_PROFILE", To::Attribute("profile")),
            Variable::optional("AWS_CONFIG_FILE", To::Attribute("config_file")),
            Variable::optional("AWS_SHARED_CREDENTIALS_FILE", To::Attribute("credentials_file")),
            AWS_REGION,
            AWS_DEFAULT_REGION,
        ],
        attributes: &[("source", "profile")],
        hosts: HOSTS,
    },
    Import {
        credential: "aws-web-identity",
        kind: "aws",
        variables: &[
            Variable::needed("AWS_ROLE_ARN", To::Attribute("role_arn")),
            Variable::needed("AWS_WEB_IDENTITY_TOKEN_FILE", To::Attribute("token_file")),
            Variable::optional("AWS_ROLE_SESSION_NAME", To::Attribute("session_name")),
            AWS_REGION,
            AWS_DEFAULT_REGION,
        ],
        attributes: &[("source", "web-identity")],
        hosts: HOSTS,
    },
    container(&[
        Variable::needed("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", To::Nothing),
        AWS_REGION,
        AWS_DEFAULT_REGION,
    ]),
    container(&[
        Variable::needed("AWS_CONTAINER_CREDENTIALS_FULL_URI", To::Nothing),
        AWS_REGION,
        AWS_DEFAULT_REGION,
    ]),
];

/// The address stays where it is: the source reads it from the host's own environment.
const fn container(variables: &'static [Variable]) -> Import {
    Import {
        credential: "aws-container",
        kind: "aws",
        variables,
        attributes: &[("source", "container")],
        hosts: HOSTS,
    }
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::super::tests::attributes;
    use super::check_aws;

    const ROLE: &str = "arn:aws:iam::123456789012:role/llm";

    fn fields(pairs: &[(&str, &str)]) -> Result<(Vec<String>, Vec<String>), String> {
        let fields = find("aws").unwrap().fields(&attributes(pairs), &[])?;
        Ok((fields.needed, fields.optional))
    }

    #[test]
    fn a_source_says_which_secrets_it_needs() {
        let keys = (
            vec!["access_key_id".to_owned(), "secret_access_key".to_owned()],
            vec!["session_token".to_owned()],
        );
        let role = [("role_arn", ROLE), ("region", "eu-west-1")];
        let on = |base: &'static str| {
            [("source", "assume-role"), ("base", base)]
                .into_iter()
                .chain(role)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(&[("source", "static")]), Ok(keys.clone()));
        assert_eq!(fields(&on("static")), Ok(keys.clone()));
        let without: Vec<_> = on("static").into_iter().filter(|(name, _)| *name != "base").collect();
        assert_eq!(fields(&without), Ok(keys));
        assert_eq!(fields(&on("imds")), Ok((vec![], vec![])));
        for source in ["imds", "container", "default-chain", "profile"] {
            assert_eq!(fields(&[("source", source)]), Ok((vec![], vec![])), "{source}");
        }
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_is_right() {
        for (pairs, words) in [
            (&[][..], &["needs --source, one of", "  imds ", "  assume-role "][..]),
            (
                &[("source", "assume_role")],
                &[
                    "\"assume_role\" is not a source of kind \"aws\"; did you mean \"assume-role\"?",
                    "  sso ",
                ],
            ),
            (
                &[("source", "assume-role"), ("region", "us-east-1")],
                &["a credential of kind \"aws\" from \"assume-role\" needs --attribute role_arn=…, the role to assume"],
            ),
            (
                &[("source", "assume-role"), ("role_arn", ROLE)],
                &["needs --attribute region=…, the region of STS"],
            ),
            (
                &[
                    ("source", "assume-role"),
                    ("role_arn", ROLE),
                    ("region", "us-east-1"),
                    ("base", "assume-role"),
                ],
                &["\"assume-role\" is not a base of kind \"aws\"", "  static "],
            ),
            (
                &[("source", "assume-role"), ("role_arn", "llm"), ("region", "us-east-1")],
                &["\"llm\" is not a role"],
            ),
            (
                &[("source", "imds"), ("regoin", "us-east-1")],
                &[
                    "from \"imds\" has no attribute \"regoin\"; did you mean \"region\"?",
                    "  instance_profile ",
                ],
            ),
            (
                &[("source", "imds"), ("region", "us-east-1.evil.example")],
                &["\"us-east-1.evil.example\" is not an AWS region"],
            ),
            (
                &[("source", "imds"), ("regions", "us-east-1,useast1")],
                &["\"useast1\" is not an AWS region"],
            ),
            (
                &[
                    ("source", "assume-role"),
                    ("role_arn", ROLE),
                    ("region", "us-east-1"),
                    ("duration", "60"),
                ],
                &["duration \"60\" is not a number of seconds"],
            ),
            (
                &[
                    ("source", "assume-role"),
                    ("role_arn", ROLE),
                    ("region", "us-east-1"),
                    ("session_name", "llm host"),
                ],
                &["session_name \"llm host\" is not one that AWS takes"],
            ),
            (
                &[
                    ("source", "sso"),
                    ("start_url", "https://a.awsapps.com/start"),
                    ("sso_region", "us-east-1"),
                    ("account_id", "1234-5678-9012"),
                    ("role_name", "Bedrock"),
                ],
                &["account_id \"1234-5678-9012\" is not the 12 digits"],
            ),
        ] {
            let refused = fields(pairs).unwrap_err();
            for word in words {
                assert!(refused.contains(word), "{pairs:?}: {refused}");
            }
        }
    }

    /// What the host reads is what the command line asks for: with all that a form requires the
    /// host has what it needs, and without any of that it has not.
    #[test]
    fn the_host_needs_what_the_forms_require() {
        let value = |name: &str| match name {
            "role_arn" => ROLE,
            "account_id" => "123456789012",
            "session_name" | "external_id" => "llm-host",
            "region" | "sso_region" => "us-east-1",
            "duration" => "900",
            _ => "x",
        };
        let kind = find("aws").unwrap();
        for form in kind.forms {
            let named = form.attributes.iter().map(|one| (one.name, value(one.name)));
            let all: Vec<_> = named.chain([("source", form.name)]).collect();
            assert_eq!(check_aws(&attributes(&all)), Ok(()), "{}", form.name);
            for one in form.attributes {
                let others: Vec<_> = all.iter().copied().filter(|(name, _)| *name != one.name).collect();
                let lacking = check_aws(&attributes(&others));
                assert_eq!(lacking.is_err(), one.required, "{} without {}", form.name, one.name);
            }
        }
    }

    #[test]
    fn a_region_gives_the_hosts_of_bedrock_there() {
        let hosts = |pairs: &[(&str, &str)]| (find("aws").unwrap().hosts)(&attributes(pairs));
        assert_eq!(hosts(&[]), Vec::<String>::new());
        for (region, host) in [
            ("eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
            ("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
            ("us-iso-east-1", "https://bedrock-runtime.us-iso-east-1.c2s.ic.gov"),
        ] {
            assert_eq!(hosts(&[("region", region)])[0], host);
        }
        assert_eq!(
            hosts(&[
                ("region", "us-east-1"),
                ("regions", "eu-central-1, us-east-1,us-gov-west-1")
            ]),
            [
                "https://bedrock-runtime.us-east-1.amazonaws.com",
                "https://bedrock.us-east-1.amazonaws.com",
                "https://bedrock-runtime.eu-central-1.amazonaws.com",
                "https://bedrock.eu-central-1.amazonaws.com",
                "https://bedrock-runtime.us-gov-west-1.amazonaws.com",
                "https://bedrock.us-gov-west-1.amazonaws.com",
            ]
        );
    }
}
