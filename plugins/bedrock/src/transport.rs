//! One call of the service: the SDK's forms on the wire, the host's HTTP between them.
//!
//! In: a typed input of the SDK, or a request of our own. Out: the answer's head and body, or the
//! typed output that the SDK reads from it. Never: credentials, signatures, retries or time-outs; those
//! are the host's, and so the SDK's client with its plugins for them is not built at all. What is used
//! of an operation is what it registers to write its request and to read its answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use aws_sdk_bedrockruntime::primitives::event_stream::EventReceiver;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{
    DeserializeResponse, SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer,
};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::Frame;
use llm_provider_sdk::credential::Credential;
use llm_provider_sdk::types::{Error, Header};
use llm_provider_sdk::{HttpError, http};

use crate::error::{self, Asked};
use crate::settings::{Settings, SignIn};
use crate::wire::Splice;

/// The slot of an AWS identity.
pub const AWS: &str = "aws";
/// The slot of a Bedrock API key.
pub const API_KEY: &str = "api-key";

/// Most bytes of an error's body that are read.
const ERROR_BODY_LIMIT: usize = 256 << 10;

/// The slot whose credential is used: the setting's, else the one that is granted.
pub fn slot(settings: &Settings) -> &'static str {
    match settings.sign_in {
        Some(SignIn::Aws) => AWS,
        Some(SignIn::ApiKey) => API_KEY,
        // The host notes each slot that is asked for in vain, so the second is asked only for its turn.
        None => match Credential::acquire(AWS) {
            Err(HttpError::Denied(_)) if Credential::acquire(API_KEY).is_ok() => API_KEY,
            _ => AWS,
        },
    }
}

/// An operation of the SDK: how its request is written and its answer read.
pub struct Operation {
    bag: ConfigBag,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

/// A request that the SDK has written.
#[derive(Debug)]
pub struct Written {
    /// The path, percent-encoded.
    pub path: String,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Operation {
    /// What this plugin of the SDK (`Converse::new()`, …) registers.
    pub fn of(operation: &dyn RuntimePlugin) -> Self {
        let mut bag = ConfigBag::base();
        if let Some(layer) = operation.config() {
            bag.push_shared_layer(layer);
        }
        Self { bag }
    }

    /// Writes the request of an input whose body is the caller's bytes.
    ///
    /// Errors: as [`write`](Self::write).
    pub fn write_blob<I>(&mut self, input: I) -> Result<Written, Error>
    where
        I: fmt::Debug + Send + Sync + 'static,
    {
        self.written(input, |body| body.to_vec())
    }

    /// Writes the request of this input, with the texts to splice into its JSON.
    ///
    /// Errors: `invalid-request` when the SDK refuses the input, e.g. an empty model id.
    pub fn write<I>(&mut self, input: I, splice: &Splice) -> Result<Written, Error>
    where
        I: fmt::Debug + Send + Sync + 'static,
    {
        self.written(input, |body| splice.apply(body))
    }

    fn written<I>(&mut self, input: I, body: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Written, Error>
    where
        I: fmt::Debug + Send + Sync + 'static,
    {
        let Some(serializer) = self.bag.load::<SharedRequestSerializer>().cloned() else {
            return Err(Error::internal("the SDK's operation has no serializer"));
        };
        let request = serializer
            .serialize_input(Input::erase(input), &mut self.bag)
            .map_err(|fault| Error::invalid_request(format!("the request cannot be written: {fault}")))?;
        let headers = request.headers().iter().filter(|(name, _)| is_sendable(name));
        Ok(Written {
            path: request.uri().to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body(request.body().bytes().unwrap_or_default()),
        })
    }

    /// Reads a whole answer as this output.
    ///
    /// Errors: `upstream` when it is not of the service's API.
    pub fn read<O: fmt::Debug + Send + Sync + 'static>(&self, answer: &Answered, body: Bytes) -> Result<O, Error> {
        let response = answer.response(SdkBody::from(body))?;
        let output = self
            .deserializer()?
            .deserialize_nonstreaming_with_config(&response, &self.bag)
            .map_err(|fault| error::not_the_api(&fault.to_string()))?;
        output
            .downcast()
            .map_err(|_| Error::internal("the SDK gave an output of another operation"))
    }

    /// The output of a streamed answer, whose events are those of the frames that are fed.
    ///
    /// Errors: as [`read`](Self::read).
    pub fn open<O: fmt::Debug + Send + Sync + 'static>(&self, answer: &Answered, frames: &Frames) -> Result<O, Error> {
        let mut response = answer.response(SdkBody::from_body_1_x(frames.clone()))?;
        let output = self
            .deserializer()?
            .deserialize_streaming_with_config(&mut response, &self.bag)
            .ok_or_else(|| Error::internal("the SDK does not stream this operation"))?
            .map_err(|fault| error::not_the_api(&fault.to_string()))?;
        output
            .downcast()
            .map_err(|_| Error::internal("the SDK gave an output of another operation"))
    }

    fn deserializer(&self) -> Result<&SharedResponseDeserializer, Error> {
        self.bag
            .load::<SharedResponseDeserializer>()
            .ok_or_else(|| Error::internal("the SDK's operation has no deserializer"))
    }
}

/// The host owns the length and everything that authenticates.
fn is_sendable(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let owned = ["authorization", "content-length", "host", "user-agent"].contains(&name.as_str());
    !owned && !name.starts_with("x-amz-") && !name.starts_with("amz-sdk-")
}

/// The head of a good answer.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<Header>,
}

impl Answered {
    /// The first header of this name that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// The service's id of the request.
    pub fn request_id(&self) -> String {
        self.header("x-amzn-requestid").unwrap_or_default().to_owned()
    }

    fn response(&self, body: SdkBody) -> Result<HttpResponse, Error> {
        let status = StatusCode::try_from(self.status).map_err(|_| Error::upstream("the status is none of HTTP"))?;
        let mut response = HttpResponse::new(status, body);
        for (name, value) in &self.headers {
            // What is not text, or no name of a header, the SDK could not read either.
            if let Ok(value) = String::from_utf8(value.clone()) {
                let _ = response.headers_mut().try_append(name.clone(), value);
            }
        }
        Ok(response)
    }
}

/// Sends what the SDK has written; an answer that is not good is an error.
pub async fn send(origin: &str, written: Written, slot: &str, asked: &Asked<'_>) -> Result<http::Response, Error> {
    let mut request = http::Request::post(format!("{origin}{}", written.path)).body(written.body);
    for (name, value) in &written.headers {
        request = request.header(name, value);
    }
    exchange(request, slot, asked).await
}

/// Sends a request; an answer that is not good is an error.
pub async fn exchange(request: http::Request, slot: &str, asked: &Asked<'_>) -> Result<http::Response, Error> {
    let mut answer = request.credential(slot).send().await?;
    if answer.is_success() {
        return Ok(answer);
    }
    // A body that broke off, or has no end, says less than the status does.
    let text = answer.bytes_within(ERROR_BODY_LIMIT).await.unwrap_or_default();
    Err(error::from_answer(answer.status, answer.headers(), &text, asked))
}

/// The head of an answer.
pub fn head(answer: &http::Response) -> Answered {
    Answered {
        status: answer.status,
        headers: answer.headers().to_vec(),
    }
}

/// The whole body of an answer.
pub async fn body(mut answer: http::Response) -> Result<Vec<u8>, Error> {
    let head = head(&answer);
    answer
        .bytes()
        .await
        .map_err(|broken| Error::from(broken).with_response(head.status, &head.headers))
}

/// The body of a streamed answer, as the SDK pulls it: whole frames that were fed.
#[derive(Clone, Debug, Default)]
pub struct Frames(Arc<Mutex<VecDeque<Bytes>>>);

impl Frames {
    fn feed(&self, frame: Vec<u8>) {
        // Nobody panics with the lock held: the queue's own operations are all that happens there.
        if let Ok(mut queue) = self.0.lock() {
            queue.push_back(Bytes::from(frame));
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.lock().ok().and_then(|mut queue| queue.pop_front());
        // Who asks is asked again when a frame has been fed, so that no waker is kept.
        next.map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

/// The SDK's reader of events, fed with one frame after the other.
pub struct Events<T, E> {
    frames: Frames,
    receiver: EventReceiver<T, E>,
}

impl<T: fmt::Debug, E: fmt::Debug> fmt::Debug for Events<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl<T, E: std::error::Error + 'static> Events<T, E> {
    /// The reader whose body these frames are.
    pub fn new(frames: Frames, receiver: EventReceiver<T, E>) -> Self {
        Self { frames, receiver }
    }

    /// The event of this frame. `None` when the SDK has no event for it.
    ///
    /// Errors: `upstream` when its payload is not what the API says.
    pub fn next(&mut self, frame: Vec<u8>) -> Result<Option<T>, Error> {
        self.frames.feed(frame);
        let receiving = pin!(self.receiver.recv());
        match receiving.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(event)) => Ok(event),
            Poll::Ready(Err(fault)) => Err(error::not_the_api(&error::sources(&fault))),
            Poll::Pending => Ok(None),
        }
    }
}
