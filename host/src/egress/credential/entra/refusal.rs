//! What Entra and the metadata services say when they give no token, and what to do about it.
//!
//! In: a status and a body. Out: a [`TokenError`] that says what an admin should do. Never: the
//! service's own text but for a code it is known by, unless it is unknown; then its first line,
//! with every secret of the credential taken out.
//!
//! Codes: Microsoft identity platform, "error codes" (AADSTS…).

use serde::Deserialize;

use crate::egress::credential::token::TokenError;
use crate::egress::credential::token_client::TokenAnswer;
use crate::egress::leak::Needles;

/// An error answer (RFC 6749, section 5.2, with Entra's own members).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
    /// App Service's name for the description.
    message: String,
    error_codes: Vec<u64>,
    trace_id: String,
}

/// What a code means and what to do.
struct Meaning {
    codes: &'static [u64],
    text: &'static str,
}

const MEANINGS: &[Meaning] = &[
    Meaning {
        codes: &[7_000_215],
        text: "the client secret is wrong; put its value (not its id) into the vault with `host vault rotate`",
    },
    Meaning {
        codes: &[7_000_222],
        text: "the client secret has expired; make a new one in the app registration and put it into the vault with \
               `host vault rotate`",
    },
    Meaning {
        codes: &[90_002, 900_023, 50_020, 900_021],
        text: "there is no such tenant in this cloud; correct the attribute `tenant_id`, or `authority` for a \
               sovereign cloud",
    },
    Meaning {
        codes: &[900_382, 900_383, 900_384, 900_432, 900_439, 90_038, 50_049],
        text: "the tenant or the application belongs to another cloud; set the attribute `authority` to that cloud's, and \
               the scope of the grant's rule with it",
    },
    Meaning {
        codes: &[700_025],
        text: "the application is registered as a public client; turn off \"Allow public client flows\" in the app registration",
    },
    Meaning {
        codes: &[501_051],
        text: "the resource admits only applications that are assigned to it; an Entra administrator has to assign this one",
    },
    Meaning {
        codes: &[700_016, 70_001, 7_000_229],
        text: "the tenant does not know the application; correct the attribute `client_id` or `tenant_id`, or install \
               the application in the tenant",
    },
    Meaning {
        codes: &[65_001, 65_004, 650_056],
        text: "nobody has consented to the application's permissions; an Entra administrator has to grant consent",
    },
    Meaning {
        codes: &[500_011, 650_052, 70_011, 1_002_012, 70_003, 9_002_325],
        text: "the tenant has no such resource as the scope names; correct the scope of the grant's rule",
    },
    Meaning {
        codes: &[700_024, 70_043],
        text: "the assertion is not within its time; set this machine's clock right, and let the platform renew the \
               federated token",
    },
    Meaning {
        codes: &[700_027, 50_013],
        text: "Entra does not accept the assertion's signature; add the certificate to the app registration, or put \
               the right one into the vault with `host vault rotate`",
    },
    Meaning {
        codes: &[700_030, 7_000_214],
        text: "Entra does not trust the certificate; with trust by subject and issuer, set the attribute \
               `send_certificate_chain=true` and store the issuers' certificates below it",
    },
    Meaning {
        codes: &[70_021, 70_025, 700_211, 700_212, 700_213, 700_223, 700_238],
        text: "no federated identity credential of the application fits the token; its issuer, subject and audience \
               have to be those of the service account",
    },
    Meaning {
        codes: &[7_000_112, 500_014, 7_000_116],
        text: "the application is disabled in the tenant; an Entra administrator has to enable it",
    },
    Meaning {
        codes: &[53_003, 530_031, 53_000, 53_011],
        text: "a conditional access policy blocks the application; an Entra administrator has to let it in from here",
    },
];

/// Codes that pass by themselves: throttling and outages of Entra's own parts.
const PASSING: [u64; 6] = [90_006, 90_012, 90_024, 90_033, 90_055, 50_196];

/// Reads an answer that holds no token. `who` names the service; `updating` are the statuses with which this
/// one says that it will be back.
pub(super) fn explain(who: &str, updating: &[u16], answer: &TokenAnswer, secrets: &Needles) -> TokenError {
    let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = code(&refusal);
    let named = code.map_or_else(String::new, |code| format!(" (AADSTS{code}{})", trace(&refusal)));
    let known = code.and_then(|code| MEANINGS.iter().find(|meaning| meaning.codes.contains(&code)));
    let passing = match answer.status {
        408 | 429 | 500.. => true,
        status if updating.contains(&status) => true,
        _ => code.is_some_and(|code| PASSING.contains(&code)),
    };
    let reason = match (known, passing) {
        (Some(meaning), _) => format!("{who} refuses: {}{named}", meaning.text),
        (None, true) if answer.status == 429 => format!("{who} asks to be left alone for a while{named}"),
        (None, true) => format!("{who} is not available, status {}{named}", answer.status),
        (None, false) => {
            let said = secrets.redact(&first_line(&refusal)).into_owned();
            let said = if said.is_empty() {
                String::new()
            } else {
                format!(": {said}")
            };
            let hint = identity_hint(&said);
            format!("{who} refuses with status {}{said}{named}{hint}", answer.status)
        }
    };
    TokenError {
        reason,
        retryable: passing,
        retry_after: answer.retry_after,
    }
}

/// What to do where a machine has not the identity that was asked for. Metadata services have no codes for it.
fn identity_hint(said: &str) -> &'static str {
    let said = said.to_ascii_lowercase();
    let says = |part: &str| said.contains(part);
    if says("multiple user assigned") {
        "; name one of them by the attribute `client_id` of the credential"
    } else if says("identity not found") || says("managed identity found") {
        "; assign the identity to the machine, or correct the attribute `client_id` of the credential"
    } else {
        ""
    }
}

/// The code, from its own member or out of the text.
fn code(refusal: &Refusal) -> Option<u64> {
    let in_text = || {
        let (_, after) = refusal.error_description.split_once("AADSTS")?;
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    refusal.error_codes.first().copied().or_else(in_text)
}

/// The id by which Microsoft's support finds the request.
fn trace(refusal: &Refusal) -> String {
    let plain = refusal.trace_id.len() == 36
        && refusal
            .trace_id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if plain {
        format!(", trace {}", refusal.trace_id)
    } else {
        String::new()
    }
}

fn first_line(refusal: &Refusal) -> String {
    let texts = [&refusal.error_description, &refusal.message, &refusal.error];
    let told = texts.into_iter().find(|text| !text.is_empty());
    let line = told.map(String::as_str).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, body: impl ToString) -> TokenAnswer {
        TokenAnswer {
            status,
            retry_after: (status == 429).then(|| Duration::from_secs(17)),
            challenge: None,
            body: Zeroizing::new(body.to_string().into_bytes()),
        }
    }

    fn refusal(code: u64) -> TokenAnswer {
        let body = json!({
            "error": "invalid_client",
            "error_description": format!("AADSTS{code}: Something is not right. Trace ID: 0a\r\nTimestamp: now"),
            "error_codes": [code],
            "trace_id": "00000000-1111-2222-3333-444444444444",
            "correlation_id": "c"
        });
        answer(401, body)
    }

    #[test]
    fn codes_say_what_to_do() {
        for (code, word) in [
            (7_000_215, "`host vault rotate`"),
            (7_000_222, "expired"),
            (90_002, "`tenant_id`"),
            (700_016, "`client_id`"),
            (65_001, "consent"),
            (500_011, "scope"),
            (700_024, "clock"),
            (700_027, "certificate"),
            (70_021, "federated"),
            (7_000_112, "disabled"),
            (53_003, "conditional access"),
            (900_382, "`authority`"),
            (90_038, "another cloud"),
            (700_025, "public client"),
            (501_051, "assign"),
            (70_025, "federated"),
        ] {
            let error = explain("Entra", &[], &refusal(code), &Needles::of([]));
            assert!(
                error.reason.contains(word) && error.reason.contains(&format!("AADSTS{code}, trace 0000")),
                "{error}"
            );
            assert!(!error.retryable);
        }
    }

    #[test]
    fn no_code_has_two_meanings() {
        let mut codes: Vec<u64> = MEANINGS
            .iter()
            .flat_map(|meaning| meaning.codes)
            .chain(&PASSING)
            .copied()
            .collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for (answer, retryable, retry_after) in [
            (answer(429, "{}"), true, Some(17)),
            (answer(503, "<html>"), true, None),
            (answer(500, ""), true, None),
            (answer(400, r#"{"error":"invalid_request"}"#), false, None),
            (answer(404, ""), false, None),
            (refusal(90_033), true, None),
        ] {
            let error = explain("Entra", &[], &answer, &Needles::of([]));
            assert_eq!(
                (error.retryable, error.retry_after.map(|after| after.as_secs())),
                (retryable, retry_after),
                "{error}"
            );
        }
    }

    #[test]
    fn a_service_may_be_updating() {
        for (status, retryable) in [(404, true), (410, true), (400, false), (401, false)] {
            let error = explain("it", &[404, 410], &answer(status, ""), &Needles::of([]));
            assert_eq!(error.retryable, retryable, "{error}");
        }
    }

    #[test]
    fn a_machine_without_the_identity_is_told_how_to_get_it() {
        for (body, words) in [
            (
                r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
                ["status 400: Identity not found", "assign the identity"],
            ),
            (
                r#"{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.","correlationId":"c"}"#,
                ["No User Assigned", "`client_id`"],
            ),
            (
                r#"{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"}"#,
                ["Multiple user assigned", "name one of them"],
            ),
        ] {
            let error = explain(
                "the machine's metadata service",
                &[404, 410],
                &answer(400, body),
                &Needles::of([]),
            );
            assert!(
                words.iter().all(|word| error.reason.contains(word)) && !error.retryable,
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_answer_is_quoted_without_the_secret() {
        let body = json!({ "error_description": "AADSTS42: no canary-secret-value here\r\nTrace ID: x" });
        let error = explain("Entra", &[], &answer(400, body), &Needles::of(["canary-secret-value"]));
        assert_eq!(
            error.reason,
            "Entra refuses with status 400: AADSTS42: no [secret] here (AADSTS42)"
        );
    }
}
