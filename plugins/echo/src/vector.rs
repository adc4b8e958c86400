//! Vectors of texts.
//!
//! In: texts. Out: for each a vector of length 1, in which every word adds to one place; texts of
//! the same words have the same vector, and those that share words are near each other. Never: a
//! meaning.

use llm_provider_sdk::embeddings::{Input, Request, Response};
use llm_provider_sdk::types::{DroppedField, Error, Usage};
use llm_provider_sdk::{Embeddings, embeddings};

use crate::command::{self, Failure};
use crate::{Echo, conversation, words};

/// Numbers of a vector, where the request does not say.
const DIMENSIONS: u32 = 64;

/// Most numbers of a vector.
const MOST_DIMENSIONS: u32 = 4096;

impl Embeddings for Echo {
    async fn embed(req: embeddings::Request) -> Result<Response, Error> {
        let dimensions = req.dimensions.unwrap_or(DIMENSIONS);
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            let what = format!("`dimensions` is {dimensions} and has to be from 1 to {MOST_DIMENSIONS}");
            return Err(Error::invalid_request(what).with_param("dimensions"));
        }
        if let Some(Failure { error, .. }) = asked_failure(&req) {
            return Err(error);
        }
        let texts: Vec<Vec<String>> = req.inputs.iter().map(terms).collect();
        let unknown = req.extra.iter();
        Ok(Response {
            model: req.model,
            vectors: texts.iter().map(|terms| vector(terms, dimensions)).collect(),
            usage: Some(Usage {
                input: texts.iter().map(|terms| terms.len() as u64).sum(),
                ..Usage::default()
            }),
            dropped: unknown
                .map(|(name, _)| DroppedField::new(name, "echo has no such parameter"))
                .collect(),
            extra: Vec::new(),
        })
    }
}

fn asked_failure(req: &Request) -> Option<Failure> {
    match req.inputs.last()? {
        Input::Text(text) => command::failure(text),
        Input::Tokens(_) => None,
    }
}

/// The words of a text, or the numbers of its tokens.
fn terms(input: &Input) -> Vec<String> {
    match input {
        Input::Text(text) => words::pieces(text)
            .into_iter()
            .map(|piece| piece.trim().to_lowercase())
            .filter(|word| !word.is_empty())
            .collect(),
        Input::Tokens(tokens) => tokens.iter().map(u32::to_string).collect(),
    }
}

fn vector(terms: &[String], dimensions: u32) -> Vec<f32> {
    let mut sums = vec![0_f32; usize::try_from(dimensions).unwrap_or(usize::MAX)];
    for term in terms {
        let place = conversation::fingerprint([term]) % u64::from(dimensions);
        if let Some(sum) = usize::try_from(place).ok().and_then(|place| sums.get_mut(place)) {
            *sum += 1.0;
        }
    }
    let length = sums.iter().map(|sum| sum * sum).sum::<f32>().sqrt();
    if length > 0.0 {
        for sum in &mut sums {
            *sum /= length;
        }
    } else if let Some(first) = sums.first_mut() {
        // A vector without a direction is near nothing, which users of vectors do not expect.
        *first = 1.0;
    }
    sums
}
