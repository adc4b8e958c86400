//! Kind `entra`: the sources of an identity of Microsoft Entra, and Azure's variables.
//!
//! In: nothing. Out: the forms of the kind, and the variables that Azure's own tools read. Never: a
//! request; the sources themselves are `egress::credential`'s, which also says what their
//! attributes may be.

use super::variables::{Hosts, Import, To, Variable};
use super::{Attribute, Attributes, Form, Kind};
use crate::egress::credential::check_entra;

pub(super) const KIND: Kind = Kind {
    name: "entra",
    about: "an identity of Microsoft Entra, whose token is sent as `Authorization: Bearer …`",
    forms: FORMS,
    common: &[Attribute::optional(
        "authority",
        "Entra of a sovereign cloud [default: https://login.microsoftonline.com]",
    )],
    check: check_entra,
    hosts: |_| Vec::new(),
};

const TENANT: Attribute = Attribute::required("tenant_id", "the tenant's id or domain");
const CLIENT: Attribute = Attribute::required("client_id", "the application's id");

const FORMS: &[Form] = &[
    form(
        "client-secret",
        "an application and its password",
        &["client_secret"],
        &[TENANT, CLIENT],
    ),
    form(
        "client-certificate",
        "an application and its key: PEM of the certificate and of the key, one after the other",
        &["certificate"],
        &[
            TENANT,
            CLIENT,
            Attribute::optional("algorithm", "PS256 or RS256 [default: PS256]"),
            Attribute::optional(
                "send_certificate_chain",
                "true for trust by the certificate's subject and issuer [default: false]",
            ),
        ],
    ),
    form(
        "managed-identity",
        "the machine's own identity: virtual machine, App Service, Container Apps, Arc",
        &[],
        &[
            Attribute::optional("client_id", "a user-assigned identity, by its client id"),
            Attribute::optional("object_id", "a user-assigned identity, by its object id"),
            Attribute::optional("resource_id", "a user-assigned identity, by its resource id"),
        ],
    ),
    form(
        "workload-identity",
        "an application, with a token that the platform keeps in a file (AKS, GitHub)",
        &[],
        &[
            Attribute::optional("tenant_id", "the tenant [default: $AZURE_TENANT_ID]"),
            Attribute::optional("client_id", "the application [default: $AZURE_CLIENT_ID]"),
            Attribute::optional("token_file", "the file [default: $AZURE_FEDERATED_TOKEN_FILE]"),
        ],
    ),
];

const fn form(
    name: &'static str,
    about: &'static str,
    fields: &'static [&'static str],
    attributes: &'static [Attribute],
) -> Form {
    Form {
        name,
        about,
        fields,
        optional_fields: &[],
        attributes,
        on_base: false,
    }
}

/// The resource is the only place a credential of Azure is for: its name alone tells it from
/// everybody else's.
const HOSTS: Hosts = Hosts::Of(nowhere, "AZURE_OPENAI_ENDPOINT");

fn nowhere(_: &Attributes) -> Vec<String> {
    Vec::new()
}

const ENDPOINT: Variable = Variable::optional("AZURE_OPENAI_ENDPOINT", To::Host);
const AZURE_TENANT: Variable = Variable::needed("AZURE_TENANT_ID", To::Attribute("tenant_id"));
const AZURE_CLIENT: Variable = Variable::needed("AZURE_CLIENT_ID", To::Attribute("client_id"));
const AZURE_AUTHORITY: Variable = Variable::optional("AZURE_AUTHORITY_HOST", To::Attribute("authority"));

/// The variables that Azure's own tools read, in the order in which those try them.
pub(super) const IMPORTS: &[Import] = &[
    Import {
        credential: "azure-api-key",
        kind: "api-key",
        variables: &[Variable::needed("AZURE_OPENAI_API_KEY", To::Field("api_key")), ENDPOINT],
        attributes: &[],
        hosts: HOSTS,
    },
    Import {
        credential: "entra",
        kind: "entra",
        variables: &[
            Variable::needed("AZURE_CLIENT_SECRET", To::Field("client_secret")),
            AZURE_TENANT,
            AZURE_CLIENT,
            AZURE_AUTHORITY,
            ENDPOINT,
        ],
        attributes: &[("source", "client-secret")],
        hosts: HOSTS,
    },
    Import {
        credential: "entra-certificate",
        kind: "entra",
        variables: &[
            Variable::needed("AZURE_CLIENT_CERTIFICATE_PATH", To::FieldOfFile("certificate")),
            AZURE_TENANT,
            AZURE_CLIENT,
            AZURE_AUTHORITY,
            ENDPOINT,
        ],
        attributes: &[("source", "client-certificate")],
        hosts: HOSTS,
    },
    Import {
        credential: "entra-workload",
        kind: "entra",
        variables: &[
            Variable::needed("AZURE_FEDERATED_TOKEN_FILE", To::Attribute("token_file")),
            AZURE_TENANT,
            AZURE_CLIENT,
            AZURE_AUTHORITY,
            ENDPOINT,
        ],
        attributes: &[("source", "workload-identity")],
        hosts: HOSTS,
    },
];

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::super::tests::attributes;

    #[test]
    fn each_source_has_its_fields() {
        let app = [("tenant_id", "contoso.onmicrosoft.com"), ("client_id", "app")];
        for (source, more, expected) in [
            ("client-secret", &app[..], Ok(vec!["client_secret"])),
            ("client-certificate", &app, Ok(vec!["certificate"])),
            ("managed-identity", &[("client_id", "app")], Ok(vec![])),
            ("managed-identity", &[], Ok(vec![])),
            ("workload-identity", &[], Ok(vec![])),
            ("client-secret", &app[..1], Err("client_id")),
            (
                "managed-identity",
                &[("client_id", "a"), ("object_id", "b")],
                Err("more than one"),
            ),
            (
                "managed-identity",
                &[("cliend_id", "a")],
                Err("did you mean \"client_id\"?"),
            ),
            (
                "client-certificate",
                &[app[0], app[1], ("algorithm", "HS256")],
                Err("PS256"),
            ),
            (
                "workload-identity",
                &[("authority", "login.microsoftonline.us")],
                Err("`authority`"),
            ),
            ("secret", &[], Err("client-secret")),
        ] {
            let pairs: Vec<_> = more.iter().copied().chain([("source", source)]).collect();
            let fields = find("entra").unwrap().fields(&attributes(&pairs), &[]);
            match (fields, expected) {
                (Ok(fields), Ok(expected)) => assert_eq!(fields.needed, expected, "{pairs:?}"),
                (Err(text), Err(part)) => assert!(text.contains(part), "{pairs:?}: {text}"),
                (fields, expected) => panic!("{pairs:?}: {fields:?}, not {expected:?}"),
            }
        }
    }
}
