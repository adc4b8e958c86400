//! Pictures.
//!
//! In: a prompt, perhaps with pictures. Out: the first of those again; without any, a drawing (SVG)
//! of the prompt's words. Never: a picture that differs from one call to the next.

use llm_provider_sdk::images::{Request, Response};
use llm_provider_sdk::types::{DroppedField, Error, Media, MediaSource, Usage};
use llm_provider_sdk::{Images, images};

use crate::command::{self, Failure};
use crate::{Echo, words};

/// Most pictures of one request.
const MOST: u32 = 10;

impl Images for Echo {
    async fn generate(req: images::Request) -> Result<Response, Error> {
        if let Some(Failure { error, .. }) = command::failure(&req.prompt) {
            return Err(error);
        }
        let n = req.n.unwrap_or(1);
        if !(1..=MOST).contains(&n) {
            let what = format!("`n` is {n} and has to be from 1 to {MOST}");
            return Err(Error::invalid_request(what).with_param("n"));
        }
        let picture = req.references.first().cloned().unwrap_or_else(|| drawing(&req));
        let usage = Usage {
            input: words::count(&req.prompt),
            input_image: req.references.len() as u64,
            output_image: n.into(),
            ..Usage::default()
        };
        Ok(Response {
            images: (0..n).map(|_| picture.clone()).collect(),
            revised_prompt: None,
            usage: Some(usage),
            dropped: dropped(&req),
            extra: Vec::new(),
        })
    }
}

fn drawing(req: &Request) -> Media {
    let (width, height) = size(req).unwrap_or((512, 512));
    let prompt = req.prompt.replace('&', "&amp;").replace('<', "&lt;");
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\
         <text x=\"50%\" y=\"50%\" text-anchor=\"middle\">{prompt}</text></svg>"
    );
    Media::new("image/svg+xml", MediaSource::Inline(svg.into_bytes()))
}

/// `width` and `height` of `512x512`.
fn size(req: &Request) -> Option<(u32, u32)> {
    let (width, height) = req.size.as_deref()?.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

fn dropped(req: &Request) -> Vec<DroppedField> {
    let mut dropped = Vec::new();
    if req.mask.is_some() {
        dropped.push(DroppedField::new("mask", "echo changes no pictures"));
    }
    if req.size.is_some() && (size(req).is_none() || !req.references.is_empty()) {
        dropped.push(DroppedField::new(
            "size",
            "echo knows `<width>x<height>` for its own drawings",
        ));
    }
    // Whether bytes or an address: the host gives what there is.
    let unknown = req.extra.iter().filter(|(name, _)| name != "response_format");
    dropped.extend(unknown.map(|(name, _)| DroppedField::new(name, "echo has no such parameter")));
    dropped
}
