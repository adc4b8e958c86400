//! Pictures: Titan, Nova Canvas and Stability.
//!
//! In: a neutral wish. Out: the pictures as bytes. Never: an address for the service to fetch, or a
//! picture less than was asked for without a word.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::images::{Request, Response};
use llm_provider_sdk::json;
use llm_provider_sdk::types::{Error, ErrorKind, Extras, Media, MediaSource};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::converse::located;
use crate::invoke::Riders;
use crate::report::Report;
use crate::request::Wish;
use crate::settings::Settings;
use crate::target::Target;
use crate::wire::set;
use crate::{error, invoke, together};

/// Most pictures of one call to Amazon's models.
const AMAZON_PICTURES: u32 = 5;

/// Ratios that Stability's models take.
const RATIOS: &[(u32, u32)] = &[
    (1, 1),
    (16, 9),
    (9, 16),
    (3, 2),
    (2, 3),
    (5, 4),
    (4, 5),
    (21, 9),
    (9, 21),
];

/// Fields of OpenAI's clients that say nothing here: pictures come as bytes anyway.
const SERVED: &[&str] = &["response_format", "stream"];

/// Whose form it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Titan and Nova Canvas.
    Amazon,
    /// Stability's SDXL.
    Diffusion,
    /// Stability's later models.
    Stability,
}

impl Form {
    fn of(base: &str) -> Option<Self> {
        if base.contains("titan-image") || base.contains("nova-canvas") {
            Some(Self::Amazon)
        } else if base.contains("stable-diffusion") {
            Some(Self::Diffusion)
        } else if base.contains("stability.") {
            Some(Self::Stability)
        } else {
            None
        }
    }
}

/// Makes pictures.
///
/// Errors: `unsupported` for a model of another family, `content-filtered` when the service shows none,
/// and those of the service.
pub async fn generate(mut req: Request, settings: &Settings) -> Result<Response, Error> {
    let wish = Wish::take(&mut req.extra)?;
    let target = Target::resolve(&req.model, &wish, settings)?;
    let Some(form) = Form::of(&target.base) else {
        return Err(error::unsupported(
            "model",
            format!(
                "{} is no model for pictures that this adapter knows; it knows those of Titan, Nova Canvas and Stability",
                target.base
            ),
        ));
    };
    let mut report = Report::default();
    let wanted = req.n.unwrap_or(1).max(1);
    let per_call = if form == Form::Amazon { AMAZON_PICTURES } else { 1 };
    let mut bodies = Vec::new();
    let mut left = wanted;
    while left > 0 {
        let now = left.min(per_call);
        bodies.push(body(form, &req, now, &wish, &mut report)?);
        left -= now;
    }
    let calls = bodies.into_iter().map(|body| {
        let target = &target;
        async move {
            let bytes = body.to_string().into_bytes();
            let (head, body) = invoke::invoke(&target.id, bytes, &Riders::default(), target, settings).await?;
            pictures(&body).map_err(|error| located(error, &head))
        }
    });
    let mut images = Vec::new();
    let mut filtered = None;
    for answer in together::all(calls).await {
        match answer {
            Ok(more) => images.extend(more),
            Err(refused) if refused.kind == ErrorKind::ContentFiltered => filtered = Some(refused),
            Err(error) => return Err(error),
        }
    }
    if let (true, Some(refused)) = (images.is_empty(), filtered) {
        return Err(refused);
    }
    if images.len() < usize::try_from(wanted).unwrap_or(usize::MAX) {
        report.add(
            "n",
            format!(
                "the service gave {} of {wanted} pictures; its filter held the others back",
                images.len()
            ),
        );
    }
    Ok(Response {
        images,
        revised_prompt: None,
        usage: None,
        dropped: report.into_dropped(),
        extra: Extras::new(),
    })
}

fn body(form: Form, req: &Request, count: u32, wish: &Wish, report: &mut Report) -> Result<Value, Error> {
    let mut extra: Extras = req
        .extra
        .iter()
        .filter(|(name, _)| !SERVED.contains(&name.as_str()))
        .cloned()
        .collect();
    let mut body = match form {
        Form::Amazon => amazon(req, count, &mut extra, report)?,
        Form::Diffusion => diffusion(req, &mut extra, report)?,
        Form::Stability => stability(req, &mut extra, report)?,
    };
    for (name, _) in extra {
        report.add(
            name,
            "this model has no such parameter; give its own under `bedrock.additionalModelRequestFields`",
        );
    }
    if let Some(Value::Object(more)) = wish.fields.get("additionalModelRequestFields") {
        merge(&mut body, more);
    }
    Ok(Value::Object(body))
}

fn merge(into: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (into.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            _ => _ = into.insert(name.clone(), value.clone()),
        }
    }
}

fn amazon(req: &Request, count: u32, extra: &mut Extras, report: &mut Report) -> Result<Map<String, Value>, Error> {
    let mut config = json!({ "numberOfImages": count });
    if let Some((width, height)) = size(req, report) {
        set(&mut config, "width", Value::from(width));
        set(&mut config, "height", Value::from(height));
    }
    match json::take_extra::<String>(extra, "quality")?.as_deref() {
        Some("hd" | "high" | "premium") => set(&mut config, "quality", "premium"),
        Some("standard" | "medium") => set(&mut config, "quality", "standard"),
        Some("auto") | None => {}
        Some(_) => report.add("quality", "the qualities are `standard` and `premium`"),
    }
    for (name, own) in [("seed", "seed"), ("cfg_scale", "cfgScale"), ("cfgScale", "cfgScale")] {
        if let Some(value) = json::take_extra::<Value>(extra, name)? {
            set(&mut config, own, value);
        }
    }
    let negative: Option<Value> = json::take_extra(extra, "negative_prompt")?;
    let with_negative = |mut params: Value| {
        if let Some(negative) = &negative {
            set(&mut params, "negativeText", negative.clone());
        }
        params
    };
    let pictures = references(req)?;
    let (task, name, params) = match (pictures.first(), &req.mask) {
        (None, _) => ("TEXT_IMAGE", "textToImageParams", json!({ "text": req.prompt })),
        (Some(first), Some(mask)) => {
            let params = json!({"image": first, "maskImage": base64_of(mask, "mask")?, "text": req.prompt});
            ("INPAINTING", "inPaintingParams", params)
        }
        (Some(_), None) => {
            let params = json!({"images": pictures, "text": req.prompt});
            ("IMAGE_VARIATION", "imageVariationParams", params)
        }
    };
    Ok(Map::from_iter([
        ("taskType".to_owned(), Value::from(task)),
        (name.to_owned(), with_negative(params)),
        ("imageGenerationConfig".to_owned(), config),
    ]))
}

fn diffusion(req: &Request, extra: &mut Extras, report: &mut Report) -> Result<Map<String, Value>, Error> {
    let mut prompts = vec![json!({"text": req.prompt, "weight": 1})];
    if let Some(negative) = json::take_extra::<String>(extra, "negative_prompt")? {
        prompts.push(json!({"text": negative, "weight": -1}));
    }
    let mut body = Map::from_iter([("text_prompts".to_owned(), Value::from(prompts))]);
    if let Some((width, height)) = size(req, report) {
        body.insert("width".to_owned(), Value::from(width));
        body.insert("height".to_owned(), Value::from(height));
    }
    for name in [
        "seed",
        "steps",
        "cfg_scale",
        "style_preset",
        "sampler",
        "image_strength",
    ] {
        if let Some(value) = json::take_extra::<Value>(extra, name)? {
            body.insert(name.to_owned(), value);
        }
    }
    if let Some(first) = references(req)?.first() {
        body.insert("init_image".to_owned(), Value::from(first.as_str()));
    }
    if let Some(mask) = &req.mask {
        body.insert("mask_source".to_owned(), Value::from("MASK_IMAGE_WHITE"));
        body.insert("mask_image".to_owned(), Value::from(base64_of(mask, "mask")?));
    }
    Ok(body)
}

fn stability(req: &Request, extra: &mut Extras, report: &mut Report) -> Result<Map<String, Value>, Error> {
    let mut body = Map::from_iter([("prompt".to_owned(), Value::from(req.prompt.as_str()))]);
    let pictures = references(req)?;
    if let Some(first) = pictures.first() {
        body.insert("image".to_owned(), Value::from(first.as_str()));
        if req.model.contains("sd3") {
            body.insert("mode".to_owned(), Value::from("image-to-image"));
            body.insert("strength".to_owned(), json!(0.7));
        }
    } else if let Some((width, height)) = size(req, report) {
        match RATIOS
            .iter()
            .find(|(w, h)| u64::from(width) * u64::from(*h) == u64::from(height) * u64::from(*w))
        {
            Some((w, h)) => _ = body.insert("aspect_ratio".to_owned(), Value::from(format!("{w}:{h}"))),
            None => report.add(
                "size",
                "this model takes a ratio such as 1:1, 16:9 or 3:2, and no other",
            ),
        }
    }
    if pictures.len() > 1 {
        report.add("image", "this model starts from one picture; the first was sent");
    }
    if let Some(mask) = &req.mask {
        body.insert("mask".to_owned(), Value::from(base64_of(mask, "mask")?));
    }
    for name in [
        "seed",
        "negative_prompt",
        "strength",
        "output_format",
        "aspect_ratio",
        "style_preset",
    ] {
        if let Some(value) = json::take_extra::<Value>(extra, name)? {
            body.insert(name.to_owned(), value);
        }
    }
    Ok(body)
}

/// `1024x768` as numbers.
fn size(req: &Request, report: &mut Report) -> Option<(u32, u32)> {
    let size = req.size.as_deref().filter(|size| *size != "auto")?;
    let numbers = size
        .split_once(['x', 'X'])
        .and_then(|(width, height)| Some((width.trim().parse().ok()?, height.trim().parse().ok()?)));
    if numbers.is_none() {
        report.add("size", "it is no size such as `1024x1024`");
    }
    numbers
}

fn references(req: &Request) -> Result<Vec<String>, Error> {
    req.references.iter().map(|media| base64_of(media, "image")).collect()
}

fn base64_of(media: &Media, field: &str) -> Result<String, Error> {
    match &media.source {
        MediaSource::Inline(bytes) => Ok(STANDARD.encode(bytes)),
        _ => Err(error::unsupported(field, "Bedrock fetches no pictures: send the bytes")),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    /// Absent, `null`, or a list with `null` for what was held back.
    images: Option<Vec<Option<String>>>,
    artifacts: Option<Vec<Artifact>>,
    finish_reasons: Option<Vec<Option<String>>>,
    /// What Amazon's models say when they hold a picture back.
    error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Artifact {
    base64: Option<String>,
    #[serde(rename = "finishReason")]
    finish: Option<String>,
}

/// The pictures of one answer.
fn pictures(body: &[u8]) -> Result<Vec<Media>, Error> {
    let answer: Answer = json::parse(body)?;
    let artifacts = answer.artifacts.unwrap_or_default();
    let images = answer.images.unwrap_or_default();
    let reasons = answer.finish_reasons.unwrap_or_default();
    let held_back = reasons
        .iter()
        .flatten()
        .chain(artifacts.iter().filter_map(|artifact| artifact.finish.as_ref()))
        .chain(&answer.error)
        .find(|reason| reason.as_str() != "SUCCESS")
        .cloned();
    let shown = artifacts
        .iter()
        .filter(|artifact| artifact.finish.as_deref() != Some("CONTENT_FILTERED"));
    let all = images
        .iter()
        .flatten()
        .chain(shown.filter_map(|artifact| artifact.base64.as_ref()));
    let mut out = Vec::new();
    for data in all.filter(|data| !data.is_empty()) {
        let bytes = STANDARD
            .decode(data)
            .map_err(|_| error::not_the_api("a picture is not base64"))?;
        out.push(Media::new(kind(&bytes), MediaSource::Inline(bytes)));
    }
    match held_back {
        Some(reason) if out.is_empty() => Err(Error::new(
            ErrorKind::ContentFiltered,
            format!("Bedrock showed no picture: {reason}"),
        )),
        None if out.is_empty() => Err(error::not_the_api("it has no picture")),
        _ => Ok(out),
    }
}

/// What a picture is by how it begins.
fn kind(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xff, 0xd8, ..] => "image/jpeg",
        [b'R', b'I', b'F', b'F', ..] => "image/webp",
        _ => "image/png",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_provider_sdk::testing::{Recording, Reply, SentRequest, block_on};

    fn request(model: &str) -> Request {
        Request {
            model: model.to_owned(),
            prompt: "a fox".to_owned(),
            references: Vec::new(),
            mask: None,
            n: None,
            size: Some("1024x1024".to_owned()),
            extra: Vec::new(),
        }
    }

    fn run(asked: Request, replies: &[Value]) -> (Result<Response, Error>, Vec<SentRequest>) {
        let host = replies
            .iter()
            .fold(Recording::new(), |host, reply| {
                host.reply(Reply::json(200, reply.to_string()))
            })
            .install();
        let settings = serde_json::from_value(json!({"region": "us-east-1"})).unwrap();
        let got = block_on(generate(asked, &settings));
        (got, host.requests())
    }

    const PNG: &str = "iVBORw0KGgo=";

    #[test]
    fn amazons_models() {
        let mut asked = request("amazon.nova-canvas-v1:0");
        asked.n = Some(7);
        asked.extra = vec![
            ("quality".to_owned(), "\"hd\"".to_owned()),
            ("seed".to_owned(), "5".to_owned()),
            ("negative_prompt".to_owned(), "\"cats\"".to_owned()),
            ("response_format".to_owned(), "\"url\"".to_owned()),
            ("style".to_owned(), "\"vivid\"".to_owned()),
        ];
        let (got, sent) = run(
            asked,
            &[json!({"images": vec![PNG; 5]}), json!({"images": vec![PNG; 2]})],
        );
        let got = got.unwrap();
        assert_eq!(got.images.len(), 7);
        assert_eq!(got.images[0].media_type, "image/png");
        assert_eq!(
            got.dropped
                .iter()
                .map(|dropped| dropped.field.as_str())
                .collect::<Vec<_>>(),
            ["style"]
        );
        assert_eq!(
            sent[0].json(),
            json!({"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a fox", "negativeText": "cats"},
                "imageGenerationConfig": {"numberOfImages": 5, "width": 1024, "height": 1024, "quality": "premium", "seed": 5}})
        );
        assert_eq!(sent[1].json()["imageGenerationConfig"]["numberOfImages"], 2);
    }

    #[test]
    fn pictures_to_start_from() {
        let picture = || Media::new("image/png", MediaSource::Inline(vec![1, 2, 3]));
        let mut asked = request("amazon.titan-image-generator-v2:0");
        asked.references = vec![picture()];
        let (_, sent) = run(asked.clone(), &[json!({"images": [PNG]})]);
        assert_eq!(
            sent[0].json()["imageVariationParams"],
            json!({"images": ["AQID"], "text": "a fox"})
        );
        asked.mask = Some(picture());
        let (_, sent) = run(asked.clone(), &[json!({"images": [PNG]})]);
        assert_eq!(sent[0].json()["taskType"], "INPAINTING");
        asked.references[0].source = MediaSource::Url("https://a.example/x.png".to_owned());
        let (got, sent) = run(asked, &[]);
        assert_eq!((got.unwrap_err().kind, sent.len()), (ErrorKind::Unsupported, 0));
    }

    #[test]
    fn stabilitys_models() {
        let mut asked = request("stability.stable-image-ultra-v1:1");
        asked.n = Some(2);
        asked.size = Some("1344x768".to_owned());
        let answer = json!({"images": [PNG], "seeds": [1], "finish_reasons": [null]});
        let (got, sent) = run(asked, &[answer.clone(), answer]);
        let got = got.unwrap();
        assert_eq!((got.images.len(), sent.len()), (2, 2));
        assert_eq!(got.dropped[0].field, "size", "7:4 is no ratio it takes");
        assert_eq!(sent[0].json(), json!({"prompt": "a fox"}));
        let answer = json!({"result": "success", "artifacts": [{"base64": PNG, "finishReason": "SUCCESS", "seed": 1}]});
        let (got, sent) = run(request("stability.stable-diffusion-xl-v1"), &[answer]);
        assert_eq!(got.unwrap().images.len(), 1);
        assert_eq!(sent[0].json()["text_prompts"], json!([{"text": "a fox", "weight": 1}]));
    }

    #[test]
    fn a_picture_that_is_held_back_is_an_error() {
        let filtered = json!({"images": [], "finish_reasons": ["Filter reason: prompt"]});
        let (got, _) = run(request("stability.sd3-5-large-v1:0"), std::slice::from_ref(&filtered));
        let error = got.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ContentFiltered);
        assert!(error.message.contains("Filter reason: prompt"));
        let mut two = request("stability.sd3-5-large-v1:0");
        two.n = Some(2);
        let (got, _) = run(two, &[filtered, json!({"images": [PNG]})]);
        let got = got.unwrap();
        assert_eq!((got.images.len(), got.dropped[0].field.as_str()), (1, "n"));
    }
}
