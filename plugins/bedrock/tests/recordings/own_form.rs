//! What recordings of InvokeModel say, by plain JSON.
//!
//! In: recorded requests and answers in each family's form. Out: text, calls, end and counts of an
//! answer; the neutral request that a recorded one stands for. Never: the adapter's own code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_provider_sdk::types::{ChatRequest, ChatResponse, FinishReason, Message, PartContent, Role};
use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, Kind};
use crate::{messages_request, plain, request};

/// The pieces of a recorded stream, or the one body.
fn bodies(exchange: &Exchange) -> Vec<Value> {
    if exchange.kind != Kind::InvokeStream {
        return vec![exchange.json()];
    }
    let chunk = |frame: plain::RecordedFrame| {
        let data = frame.payload["bytes"].as_str()?.to_owned();
        serde_json::from_slice(&STANDARD.decode(data).unwrap()).ok()
    };
    plain::frames(&exchange.body).into_iter().filter_map(chunk).collect()
}

/// What an answer says: its text, its calls, why it ended, and its counts where they are told.
pub(crate) fn of_recording(exchange: &Exchange) -> Value {
    let mut text = String::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    let mut end = Value::Null;
    let (mut input, mut output) = (Value::Null, Value::Null);
    let mut intervened = false;
    let count = |value: &Value| value.as_f64().map(|count| json!(count as u64));
    for body in bodies(exchange) {
        text.push_str(&texts(&body));
        note_calls(&body, &mut calls);
        intervened |= body["amazon-bedrock-guardrailAction"] == "INTERVENED" && body["outputText"].is_string();
        if let Some(word) = ends(&body) {
            end = json!(word);
        }
        let metrics = &body["amazon-bedrock-invocationMetrics"];
        let places: [(&Value, &Value); 6] = [
            (&body["usage"]["input_tokens"], &body["usage"]["output_tokens"]),
            (&body["message"]["usage"]["input_tokens"], &Value::Null),
            (&body["usage"]["inputTokens"], &body["usage"]["outputTokens"]),
            (&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]),
            (&body["inputTextTokenCount"], &body["results"][0]["tokenCount"]),
            (&metrics["inputTokenCount"], &metrics["outputTokenCount"]),
        ];
        // Claude counts its thinking, Bedrock's meter does not.
        if metrics.is_object() && output.is_number() {
            continue;
        }
        if let Some((found_in, _)) = places.iter().find(|(input, _)| input.is_number()) {
            input = count(found_in).unwrap();
        }
        if let Some((_, found_out)) = places.iter().find(|(_, output)| output.is_number()) {
            output = count(found_out).unwrap();
        }
    }
    if input.is_number() && output.is_null() {
        output = json!(0);
    }
    if intervened {
        end = json!("ContentFilter");
    }
    let header = |name: &str| {
        let found = exchange.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| json!(value.parse::<u64>().unwrap()))
    };
    if input.is_null() {
        input = header("x-amzn-bedrock-input-token-count").unwrap_or_default();
        output = header("x-amzn-bedrock-output-token-count").unwrap_or_default();
    }
    let calls: Vec<Value> = calls
        .iter()
        .map(|(name, input)| json!([name, serde_json::from_str::<Value>(input).unwrap_or_else(|_| json!({}))]))
        .collect();
    json!({"text": text, "calls": calls, "end": end, "input": input, "output": output})
}

fn texts(body: &Value) -> String {
    let content = body["content"]
        .as_array()
        .or(body["output"]["message"]["content"].as_array());
    let blocks: String = content
        .into_iter()
        .flatten()
        .filter_map(|block| block["text"].as_str())
        .collect();
    let is_repeated = body["event_type"] == "stream-end";
    let places = [
        &body["delta"]["text"],
        &body["contentBlockDelta"]["delta"]["text"],
        &body["choices"][0]["delta"]["content"],
        &body["choices"][0]["message"]["content"],
        &body["results"][0]["outputText"],
        &body["outputText"],
        &body["outputs"][0]["text"],
        &body["generation"],
        &body["generations"][0]["text"],
    ];
    let found: String = places.iter().filter_map(|place| place.as_str()).collect();
    let own = body["text"].as_str().filter(|_| !is_repeated).unwrap_or_default();
    format!("{blocks}{found}{own}")
}

fn note_calls(body: &Value, calls: &mut Vec<(String, String)>) {
    let content = body["content"]
        .as_array()
        .or(body["output"]["message"]["content"].as_array());
    for block in content.into_iter().flatten() {
        if block["type"] == "tool_use" {
            calls.push((block["name"].as_str().unwrap().to_owned(), block["input"].to_string()));
        }
        if block["toolUse"].is_object() {
            let call = &block["toolUse"];
            calls.push((call["name"].as_str().unwrap().to_owned(), call["input"].to_string()));
        }
    }
    let begun = &body["content_block"];
    if begun["type"] == "tool_use" {
        calls.push((begun["name"].as_str().unwrap().to_owned(), String::new()));
    }
    if let (Some(more), Some((_, input))) = (body["delta"]["partial_json"].as_str(), calls.last_mut()) {
        input.push_str(more);
    }
}

fn ends(body: &Value) -> Option<&'static str> {
    let places = [
        &body["stop_reason"],
        &body["delta"]["stop_reason"],
        &body["stopReason"],
        &body["messageStop"]["stopReason"],
        &body["choices"][0]["finish_reason"],
        &body["results"][0]["completionReason"],
        &body["completionReason"],
        &body["outputs"][0]["stop_reason"],
        &body["generations"][0]["finish_reason"],
        &body["finish_reason"],
    ];
    let word = places.iter().find_map(|place| place.as_str())?;
    Some(match word.to_ascii_lowercase().as_str() {
        "length" | "max_tokens" => "Length",
        "tool_use" | "tool_calls" => "ToolCalls",
        "content_filtered" | "guardrail_intervened" => "ContentFilter",
        _ => "Stop",
    })
}

/// What an answer of the adapter says, in the same form.
pub(crate) fn of_answer(answer: &ChatResponse) -> Value {
    let choice = &answer.choices[0];
    let mut text = String::new();
    let mut calls = Vec::new();
    for part in &choice.message.parts {
        match &part.content {
            PartContent::Text(more) => text.push_str(more),
            PartContent::ToolCall(call) => {
                calls.push(json!([
                    call.name,
                    serde_json::from_str::<Value>(&call.arguments).unwrap()
                ]));
            }
            _ => {}
        }
    }
    let end = match &choice.finish {
        FinishReason::Stop => "Stop",
        FinishReason::Length => "Length",
        FinishReason::ToolCalls => "ToolCalls",
        FinishReason::ContentFilter => "ContentFilter",
        other => panic!("{other:?}"),
    };
    let usage = answer.usage.as_ref();
    json!({"text": text, "calls": calls, "end": end,
        "input": usage.map(|usage| usage.input), "output": usage.map(|usage| usage.output + usage.reasoning)})
}

/// The neutral request that a recorded one stands for, and what the recorded one means.
pub(crate) fn neutral(exchange: &Exchange) -> Option<(ChatRequest, Value)> {
    let recorded = exchange.request.clone()?;
    if !exchange.model.contains('.') {
        // A name of no model says nothing of the form.
        return None;
    }
    let mut asked = if exchange.model.contains("claude") {
        let mut body = recorded.clone();
        body["model"] = json!(exchange.model);
        messages_request::neutral(&body, exchange.status < 400)?
    } else if exchange.model.contains("nova") {
        let mut body = recorded.clone();
        let limit = body["inferenceConfig"]["max_new_tokens"].take();
        if limit.is_number() {
            body["inferenceConfig"]["maxTokens"] = limit;
        }
        let mut asked = request::neutral(&exchange.model, &body)?;
        asked.sampling.top_k = number(&recorded["inferenceConfig"]["topK"]);
        asked
    } else {
        text(exchange, &recorded)?
    };
    asked.model.clone_from(&exchange.model);
    asked.extra.retain(|(name, _)| name != "anthropic_version");
    let own = recorded
        .as_object()?
        .iter()
        .filter(|(name, _)| name.ends_with("Penalty"));
    let own: Map<String, Value> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    let wish = json!({"operation": "invoke", "additionalModelRequestFields": own});
    asked.extra.push(("bedrock".to_owned(), wish.to_string()));
    Some((asked, meaning(exchange, &recorded)))
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().map(|number| u32::try_from(number).unwrap())
}

/// A request of one text, in whichever words.
fn text(exchange: &Exchange, body: &Value) -> Option<ChatRequest> {
    let config = if body["textGenerationConfig"].is_object() {
        &body["textGenerationConfig"]
    } else {
        body
    };
    let said = ["prompt", "inputText", "message"]
        .iter()
        .find_map(|name| body[*name].as_str());
    let said = said.or(body["messages"][0]["content"].as_str())?;
    let said = match said.split_once("user<|end_header_id|>\n\n") {
        Some((_, rest)) => rest.split("<|eot_id|>").next().unwrap(),
        None => said,
    };
    let mut asked = ChatRequest::new(&exchange.model, vec![Message::text(Role::User, said)]);
    let limits = ["maxTokenCount", "maxTokens", "max_tokens", "max_gen_len"];
    asked.sampling.max_output_tokens = limits.iter().find_map(|name| number(&config[*name]));
    asked.sampling.temperature = config["temperature"].as_f64();
    asked.sampling.top_p = ["topP", "top_p", "p"].iter().find_map(|name| config[*name].as_f64());
    asked.sampling.top_k = number(&config["k"]);
    let stops = ["stopSequences", "stop_sequences", "stop"]
        .iter()
        .find(|name| config[**name].is_array());
    asked.sampling.stop = stops
        .map(|name| serde_json::from_value(config[*name].clone()).unwrap())
        .unwrap_or_default();
    Some(asked)
}

/// What a body says. A prompt that was recorded without the model's form stands for one in it.
pub(crate) fn meaning(exchange: &Exchange, body: &Value) -> Value {
    let mut out = body.clone();
    let fields = out.as_object_mut().unwrap();
    if exchange.model.contains("claude") {
        assert_eq!(
            fields.remove("anthropic_version"),
            Some(json!("bedrock-2023-05-31")),
            "{}",
            exchange.name
        );
        fields.insert("model".to_owned(), json!("any"));
        fields.remove("stream");
        return request::spelt(&messages_request::meaning(&out));
    }
    for name in ["schemaVersion", "num_generations", "stream"] {
        fields.remove(name);
    }
    if let Some(limit) = out["inferenceConfig"]
        .as_object_mut()
        .and_then(|config| config.remove("max_new_tokens"))
    {
        out["inferenceConfig"]["maxTokens"] = limit;
    }
    if let Some(prompt) = out["prompt"].as_str() {
        let bare = prompt
            .replace("<s>", "")
            .replace("[INST] ", "")
            .replace(" [/INST]", "")
            .replace("<|begin_of_text|>", "")
            .replace("<|start_header_id|>user<|end_header_id|>\n\n", "")
            .replace("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "");
        out["prompt"] = json!(bare);
    }
    let out = without_empty(&out);
    if exchange.model.contains("nova") {
        request::meaning(&out)
    } else {
        request::spelt(&out)
    }
}

fn without_empty(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let kept = fields
        .iter()
        .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    let kept: Map<String, Value> = kept.map(|(name, value)| (name.clone(), without_empty(value))).collect();
    Value::Object(kept)
}
