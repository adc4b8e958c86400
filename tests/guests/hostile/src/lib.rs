//! A plugin that does whatever a plugin must not.
//!
//! In: the model's name says what to do, the last message how. Out: what came of it, as JSON in
//! the answer's text, where the host let it get that far. Natively it is an empty library, since
//! what it does is only harmless inside the sandbox.

#![cfg_attr(not(target_arch = "wasm32"), allow(unused))]

#[cfg(target_arch = "wasm32")]
mod answers;
#[cfg(target_arch = "wasm32")]
mod outward;
#[cfg(target_arch = "wasm32")]
mod probes;
#[cfg(target_arch = "wasm32")]
mod streams;

#[cfg(target_arch = "wasm32")]
mod plugin {
    use llm_provider_sdk::bindings::chat::exports::llm_host::provider::chat::Guest;
    use llm_provider_sdk::types::{
        ChatEvent, ChatRequest, ChatResponse, Choice, Error, FinishReason, Message, Part, PartContent, Role,
    };
    use llm_provider_sdk::{CredentialSlot, Manifest, Provider};
    use wit_bindgen::StreamReader;

    /// What it is.
    struct Hostile;

    llm_provider_sdk::export!(Hostile);

    /// Its chat. Not the SDK's trait: that would keep it from breaking the contract.
    struct HostileChat;

    llm_provider_sdk::__export_only_chat_impl!(HostileChat with_types_in llm_provider_sdk::bindings::chat);

    impl Provider for Hostile {
        fn describe() -> Manifest {
            let slot = |name: &str| CredentialSlot {
                required: false,
                ..CredentialSlot::bearer(name, "for tests")
            };
            let origins = [
                "{config.upstream*}",
                "{config.other*}",
                "http://localhost",
                "http://169.254.169.254",
                "https://169.254.169.254",
                "http://[fd00:ec2::254]",
                "https://metadata.google.internal",
                "https://127.0.0.1",
                "https://10.0.0.1",
            ];
            Manifest {
                egress: origins.map(str::to_owned).to_vec(),
                credentials: ["api-key", "metadata", "never-granted"].map(slot).to_vec(),
                config_schema: r#"{"type":"object"}"#.to_owned(),
                ..Manifest::new("hostile", "0.1.0", "Hostile")
            }
        }
    }

    impl Guest for HostileChat {
        async fn complete(req: ChatRequest) -> Result<ChatResponse, Error> {
            let text = crate::answers::answer(&req.model, &asked(&req)).await?;
            Ok(ChatResponse {
                id: "hostile".to_owned(),
                model: req.model,
                created: None,
                choices: vec![Choice {
                    index: 0,
                    message: Message::new(Role::Assistant, vec![Part::text(text)]),
                    finish: FinishReason::Stop,
                    finish_detail: None,
                    logprobs: None,
                    extra: Vec::new(),
                }],
                usage: None,
                dropped: Vec::new(),
                extra: Vec::new(),
            })
        }

        async fn stream(req: ChatRequest) -> Result<StreamReader<ChatEvent>, Error> {
            crate::streams::stream(&req.model, asked(&req)).await
        }
    }

    /// The text of the last message.
    fn asked(req: &ChatRequest) -> String {
        let parts = req
            .messages
            .last()
            .map(|message| message.parts.as_slice())
            .unwrap_or_default();
        let texts = parts.iter().filter_map(|part| match &part.content {
            PartContent::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}
