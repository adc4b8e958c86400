//! OpenAI's own API behind the host's credential.
//!
//! In: the head of a caller's request to `/v1/…`. Out: where it goes, with the headers that the API
//! knows; and the usage of the answers that have one. Never: a look into a request's body, or a change
//! of one.

use llm_openai_wire::native;
use llm_provider_sdk::Native;
use llm_provider_sdk::http::Body;
use llm_provider_sdk::native::{BodyMode, Forward, RequestHead};
use llm_provider_sdk::types::{Error, ErrorKind, Header, Usage};

use crate::settings::Settings;
use crate::{KEY, OpenAi};

impl Native for OpenAi {
    fn route(head: RequestHead) -> Result<Forward, Error> {
        let settings = Settings::of_host()?;
        let below = head.path.strip_prefix("/v1").filter(|below| below.starts_with('/'));
        let Some(below) = below.filter(|below| native::stays_below(below)) else {
            let message = format!("OpenAI's API has no path `{}`; its paths begin with `/v1/`", head.path);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let mut url = settings.url(below);
        if let Some(query) = head.query.as_ref().filter(|query| !query.is_empty()) {
            url.push('?');
            url.push_str(query);
        }
        let mut headers = native::headers(&head.headers, &[]);
        let own = settings.headers();
        headers.extend(own.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        Ok(Forward {
            url,
            headers,
            credential: Some(KEY.to_owned()),
            request_body: BodyMode::Pass,
            response_body: native::response_body(&head),
        })
    }

    async fn read_usage(status: u16, headers: Vec<Header>, body: Body) -> Result<Option<Usage>, Error> {
        native::read_usage(status, &headers, body, Settings::of_host()?.profile()).await
    }
}
