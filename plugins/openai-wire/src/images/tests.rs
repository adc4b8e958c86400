use super::*;
use llm_provider_sdk::types::ErrorKind;
use serde_json::json;

fn request(prompt: &str, references: Vec<Media>) -> Request {
    Request {
        model: "m".into(),
        prompt: prompt.into(),
        references,
        mask: None,
        n: None,
        size: None,
        extra: Vec::new(),
    }
}

fn png(name: Option<&str>) -> Media {
    Media {
        name: name.map(str::to_owned),
        ..Media::new("image/png", MediaSource::Inline(b"\x89PNG".to_vec()))
    }
}

#[test]
fn the_operation_is_what_is_given() {
    for (req, path) in [
        (request("a cat", vec![]), "/images/generations"),
        (request("a hat", vec![png(None)]), "/images/edits"),
        (request("", vec![png(None)]), "/images/variations"),
    ] {
        assert_eq!(operation(&req), path);
    }
}

#[test]
fn forms_have_a_field_for_everything() {
    let mut req = request("a hat", vec![png(Some("cat.png")), png(None)]);
    req.mask = Some(png(None));
    req.n = Some(2);
    req.size = Some("1024x1024".into());
    req.extra = vec![
        ("quality".into(), "\"high\"".into()),
        ("output_compression".into(), "50".into()),
    ];
    let extra: Vec<_> = req.extra.iter().collect();
    let (_, body) = form(&req, &extra, &Profile::OPENAI).unwrap().finish();
    let body = String::from_utf8_lossy(&body);
    for part in [
        "name=\"model\"\r\n\r\nm\r\n",
        "name=\"prompt\"\r\n\r\na hat\r\n",
        "name=\"image[]\"; filename=\"cat.png\"\r\nContent-Type: image/png\r\n",
        "name=\"image[]\"; filename=\"image-1.png\"",
        "name=\"mask\"; filename=\"mask.png\"",
        "name=\"n\"\r\n\r\n2\r\n",
        "name=\"size\"\r\n\r\n1024x1024\r\n",
        "name=\"quality\"\r\n\r\nhigh\r\n",
        "name=\"output_compression\"\r\n\r\n50\r\n",
    ] {
        assert!(body.contains(part), "{part:?} in {body}");
    }
    let (_, one) = form(&request("x", vec![png(None)]), &[], &Profile::OPENAI)
        .unwrap()
        .finish();
    assert!(String::from_utf8_lossy(&one).contains("name=\"image\"; "));
}

#[test]
fn a_reference_has_to_be_there() {
    let elsewhere = Media::new("image/png", MediaSource::Url("https://x/".into()));
    let error = form(&request("a hat", vec![elsewhere]), &[], &Profile::OPENAI).unwrap_err();
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (ErrorKind::Unsupported, Some("image"))
    );
}

#[test]
fn pictures_in_pieces_are_not_to_be_had() {
    let mut req = request("a cat", vec![]);
    req.extra = vec![
        ("stream".into(), "true".into()),
        ("partial_images".into(), "0".into()),
        ("quality".into(), "\"hd\"".into()),
    ];
    let (_, dropped) = encode(http::Request::post("https://x/"), &req, &Profile::OPENAI).unwrap();
    let fields: Vec<_> = dropped.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["stream"]);
    req.extra = vec![("quality".into(), "hd".into())];
    let error = encode(http::Request::post("https://x/"), &req, &Profile::OPENAI).unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
}

#[test]
fn answers_with_bytes_and_with_addresses() {
    let body = json!({
        "created": 5, "output_format": "webp", "size": "1024x1024",
        "data": [{"b64_json": "AAEC"}, {"url": "https://x/i.png", "revised_prompt": "two"}],
        "usage": {"total_tokens": 9, "input_tokens": 4, "output_tokens": 5, "input_tokens_details": {"text_tokens": 4, "image_tokens": 0}}
    });
    let answer = decode(body.to_string().as_bytes(), Vec::new(), &Profile::OPENAI).unwrap();
    assert_eq!(
        answer.images,
        [
            Media::new("image/webp", MediaSource::Inline(vec![0, 1, 2])),
            Media::new("", MediaSource::Url("https://x/i.png".into()))
        ]
    );
    assert_eq!(answer.revised_prompt, None);
    let usage = answer.usage.unwrap();
    assert_eq!((usage.input, usage.output_image), (4, 5));
    assert_eq!(
        answer.extra,
        [
            ("created".to_owned(), "5".to_owned()),
            ("output_format".to_owned(), "\"webp\"".to_owned()),
            ("size".to_owned(), "\"1024x1024\"".to_owned()),
            (
                "image_details".to_owned(),
                r#"[{},{"revised_prompt":"two"}]"#.to_owned()
            ),
        ]
    );
}

#[test]
fn bytes_may_be_a_data_url_and_what_is_empty_is_absent() {
    for (item, image) in [
        (
            json!({"b64_json": "data:image/jpeg;base64,AAEC", "url": null}),
            Media::new("image/jpeg", MediaSource::Inline(vec![0, 1, 2])),
        ),
        (
            json!({"url": "data:image/webp;base64,AAEC"}),
            Media::new("image/webp", MediaSource::Inline(vec![0, 1, 2])),
        ),
        (
            json!({"b64_json": "", "url": "https://x/i.png"}),
            Media::new("", MediaSource::Url("https://x/i.png".into())),
        ),
    ] {
        let body = json!({"data": [item]}).to_string();
        let answer = decode(body.as_bytes(), Vec::new(), &Profile::COMPATIBLE).unwrap();
        assert_eq!(answer.images, [image], "{body}");
    }
}

#[test]
fn a_filters_findings_stand_beside_the_pictures() {
    let body = br#"{"created":1,"data":[{"revised_prompt":"one","url":"https://x/","content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"prompt_filter_results":{}}]}"#;
    let answer = decode(body, Vec::new(), &Profile::OPENAI).unwrap();
    assert_eq!(answer.revised_prompt.as_deref(), Some("one"));
    assert_eq!(
        answer.extra.last().unwrap().1,
        r#"[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"prompt_filter_results":{}}]"#
    );
}

#[test]
fn what_is_no_picture_is_the_providers_fault() {
    for body in [
        "<html>",
        "{}",
        r#"{"data":[]}"#,
        r#"{"data":[{}]}"#,
        r#"{"data":[{"b64_json":"*"}]}"#,
        r#"{"data":[1]}"#,
    ] {
        let error = decode(body.as_bytes(), Vec::new(), &Profile::OPENAI).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Upstream, "{body}");
    }
    let refused = br#"{"error":{"code":"content_policy_violation","message":"m"}}"#;
    let error = decode(refused, Vec::new(), &Profile::OPENAI).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContentFiltered);
}

#[test]
fn one_prompt_of_all_pictures_is_the_answers() {
    let prompts = |first: &str, second: &str| {
        let item = |prompt: &str| json!({"url": "https://x/", "revised_prompt": prompt});
        let body = json!({"data": [item(first), item(second)]}).to_string();
        let answer = decode(body.as_bytes(), Vec::new(), &Profile::OPENAI).unwrap();
        (answer.revised_prompt, answer.extra.len())
    };
    assert_eq!(prompts("a", "a"), (Some("a".to_owned()), 0));
    assert_eq!(prompts("a", "b"), (None, 1));
}
